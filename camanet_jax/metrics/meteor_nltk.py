"""nltk's METEOR, which stands in under a name of its own, `METEOR_nltk`, where Java is missing.

It is another score: parameters of Lavie and Agarwal (2007), no paraphrases, no function words, and a mean over studies
instead of summed counts. Its numbers compare with each other only. nltk's WordNet is installed by the user; nothing
is downloaded here.
"""

import functools
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

LOG = logging.getLogger(__name__)
NAME = 'METEOR_nltk'


@functools.cache
def shared_wordnet() -> Any | None:
    """nltk's WordNet, or None (said once in the log) where it is not installed."""
    from nltk.corpus import wordnet  # takes a second, which those with Java need not wait

    try:
        wordnet.ensure_loaded()
    except LookupError:
        LOG.warning(
            "%s is left out too: nltk's WordNet is not installed (python -m nltk.downloader wordnet, or "
            'a copy of its folder under NLTK_DATA/corpora).',
            NAME,
        )
        return None
    LOG.warning("%s, nltk's score, stands in. It is not comparable with METEOR 1.5.", NAME)
    return wordnet


def nltk_meteor(hypotheses: Sequence[str], references: Sequence[str], wordnet: Any) -> Float[np.ndarray, ' B']:
    """Each study's score; the score of a set is the mean."""
    from nltk.translate.meteor_score import single_meteor_score

    pairs = zip(hypotheses, references, strict=True)
    return np.array(
        [single_meteor_score(reference.split(), hypothesis.split(), wordnet=wordnet) for hypothesis, reference in pairs]
    )
