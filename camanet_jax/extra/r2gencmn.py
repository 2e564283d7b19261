"""R2GenCMN (Chen et al., ACL 2021): Base with a cross-modal memory in the relational memory's place.

One matrix of learned rows is shared by images and texts. Every visual token and every word reads from it, and what it
reads is added to it, before the encoder and the decoder. Nothing else differs but a position code of the visual tokens.
Named by configs/r2gencmn.py as `model.network`; docs/extend.md walks through it.

B studies, P visual tokens, L report tokens, D width, H heads, K head size, R rows of the memory, T rows that are read.
"""

import jax
import jax.numpy as jnp
from einops import rearrange
from flax import linen as nn
from jaxtyping import Array, Float, Int

from camanet_jax.models import Camanet
from camanet_jax.models.layers import Dropout, MultiHeadAttention, widened
from camanet_jax.torch_io.weight_names import SUBSTITUTIONS, Naming


class MemoryAttention(MultiHeadAttention):
    """Attention whose queries read the `rows_read` rows of largest score alone; the others get no gradient."""

    rows_read: int = 32

    def __call__(self, x: Float[Array, '... L D'], memory: Float[Array, 'R D'], *, train: bool):
        """Returns what is read [..., L, D], and the rows [..., H, L, T], best first, with their weights."""
        queries, (keys, values) = self.split(self.query(x)), self.keys_values(memory)
        scores = jnp.einsum('...hlk,hkr->...hlr', queries, keys) * (self.width // self.heads) ** -0.5
        scores, rows = jax.lax.top_k(widened(scores), self.rows_read)
        weights = jax.nn.softmax(scores, axis=-1)
        kept = self.attention_dropout.draw(weights.shape, deterministic=not train)
        chosen = jax.vmap(lambda of_head, i: of_head[i], (0, -3), -4)(values, rows)  # --> [..., H, L, T, K]
        dropped = self.attention_dropout.drop(weights, kept).astype(self.dtype)
        mixed = jnp.einsum('...hlt,...hltk->...hlk', dropped, chosen)
        return self.out(rearrange(mixed, '... H L K -> ... L (H K)')), rows, weights


class R2GenCMN(Camanet):
    """The network; `vdmae=False, memory_slots=0` of Camanet's fields.

    Attributes:
      memory_rows, rows_read: R, T.
    """

    memory_rows: int = 2048
    rows_read: int = 32

    # The names in its published checkpoints; the memory's attention is there twice.
    torch_names = Naming(
        (
            (r'^memory_matrix$', 'encoder_decoder.memory_matrix'),
            (r'^memory_attention/', 'encoder_decoder.cmn.attn.'),
            *SUBSTITUTIONS,
            (r'cmn\.attn\.', 'cmn.'),
            (r'\.gamma$', '.a_2'),
            (r'\.beta$', '.b_2'),
        ),
        aliases=((r'^encoder_decoder\.cmn\.', 'encoder_decoder.model.cmn.'),),
        position_codes=('encoder_decoder.model.src_embed.0.pe', 'encoder_decoder.model.tgt_embed.1.pe'),
    )

    def setup(self):
        super().setup()
        dtypes = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        sizes = dict(width=self.width, heads=self.heads, dropout=self.dropout, rows_read=self.rows_read)
        self.memory_attention = MemoryAttention(**sizes, **dtypes)
        start = nn.initializers.normal(1 / self.width)
        self.memory_matrix = self.param('memory_matrix', start, (self.memory_rows, self.width), self.param_dtype)
        self.position_drop = Dropout(self.dropout)

    def respond(self, x: Float[Array, '... L D'], side: str, *, train: bool) -> Float[Array, '... L D']:
        """Tokens with what each reads from the memory added."""
        response, rows, weights = self.memory_attention(x, self.memory_matrix, train=train)
        for name, value in (('responses', response), ('top', rows), ('top_weights', weights)):
            self.sow('intermediates', f'{side}_{name}', value)  # compared by scripts/check_parity.py
        return x + response

    def project(self, inputs: Float[Array, 'B P C'], *, train: bool) -> Float[Array, 'B P D']:
        """Visual tokens, projected, with the memory's responses."""
        return self.respond(super().project(inputs, train=train), 'visual', train=train)

    def contextualise(self, projected: Float[Array, 'B P D'], read=None, *, train: bool) -> Float[Array, 'B P D']:
        """The encoder over tokens with their position, both views in one count."""
        placed = (projected + self.position_code(0, projected.shape[1])).astype(self.dtype)
        return super().contextualise(self.position_drop(placed, deterministic=not train), read, train=train)

    def embed(self, tokens: Int[Array, '... L'], position: Array | int = 0, *, train: bool = False) -> Array:
        """Words with their position, and the memory's responses."""
        return self.respond(super().embed(tokens, position, train=train), 'text', train=train)
