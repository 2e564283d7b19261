"""An explained report for tests of pages: random maps of a given system."""

import dataclasses

import numpy as np

from camanet_jax.explain import Explanation

WORDS = 'the heart is mildly enlarged . no pleural effusion or pneumothorax .'.split()


def explanation(words=WORDS, views=2, *, side=7, system='camanet') -> Explanation:
    """Of the systems 'camanet', 'vdmae' and 'base'."""
    rng = np.random.default_rng(0)
    attention = rng.random((len(words), views, side, side)) ** 4
    attention /= attention.sum((1, 2, 3), keepdims=True)
    base = Explanation(-rng.exponential(0.6, len(words)), attention, attention)
    if system == 'base':
        return base
    vdmae = dataclasses.replace(
        base,
        class_probabilities=rng.random(14),
        cams=3 * rng.random((14, views, side, side)),
        vdm=rng.random((views, side, side)),
    )
    if system == 'vdmae':
        return vdmae
    return dataclasses.replace(
        vdmae,
        tdm=rng.random((views, side, side)),
        word_similarity=np.zeros(len(words)),
        selected=list(range(0, len(words), 3)),
    )
