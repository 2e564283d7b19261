"""A classifier whose maps are peaked where a finding is small.

B studies, P visual tokens, C backbone channels, Y observations.
"""

import jax
from jaxtyping import Array, Bool, Float

from camanet_jax.models import Camanet


class PeakedCamanet(Camanet):
    """For `model.network`: class logits are the log-sum-exp of every token's, in the mean's place (equation 6).

    The mean asks a finding of all tokens alike, so that its map spreads; log-sum-exp asks it of the strongest alone
    (Pinheiro and Collobert, CVPR 2015; on chest films Wang et al., CVPR 2017). The maps stay equation 8's.

    Attributes:
      sharpness: r, by which logits are multiplied before and divided after; near 0 it is the mean, large the maximum.
    """

    sharpness: float = 1.0

    def __post_init__(self):
        if not self.sharpness > 0:
            raise ValueError(f'Expected sharpness above 0, got {self.sharpness}.')
        super().__post_init__()

    def classify(self, pooled: Float[Array, 'B C'], tokens: Float[Array, 'B P C'], there: Bool[Array, 'B P'] | None):
        """Returns class logits [B, Y]; tokens of films that a study does not have are left out."""
        del pooled
        scores = self.sharpness * self.classifier(tokens)  # [B, P, Y]
        return jax.nn.logmeanexp(scores, axis=1, where=None if there is None else there[..., None]) / self.sharpness
