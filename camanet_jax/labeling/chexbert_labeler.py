"""Reports to labels through CheXbert: word pieces, batches of like lengths over all devices, classes to values."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.labeling.chexbert import ChexBert
from camanet_jax.labeling.chexbert_weights import read_chexbert
from camanet_jax.labeling.label_files import FROM_CHEXBERT
from camanet_jax.labeling.label_values import BLANK, NEGATIVE, POSITIVE, UNCERTAIN
from camanet_jax.labeling.word_pieces import WordPieces
from camanet_jax.metrics.scorer import Labeler
from camanet_jax.sharding import make_mesh, put_batch, put_replicated

CLASS_VALUES = np.array([BLANK, POSITIVE, NEGATIVE, UNCERTAIN], np.int8)


class ChexBertLabeler:
    """Labels reports; weights and vocabulary are read once, a shape is compiled when it first comes."""

    def __init__(self, weights: str | Path, vocabulary: str | Path, *, batch_size: int = 32, dtype: Any = jnp.float32):
        """Reads the authors' weights and the vocabulary of bert-base-uncased.

        Args:
          batch_size: reports per step, all devices together; rounded up to a multiple of the devices.
          dtype: of the computation; bfloat16 is quicker and may tip a label that was close.
        """
        model, variables = read_chexbert(weights, dtype)
        self._pieces = WordPieces(vocabulary, model.vocabulary_size, model.positions)
        self._mesh = make_mesh()
        self._batch_size = -(-batch_size // self._mesh.size) * self._mesh.size
        self._variables = put_replicated(variables, self._mesh)
        self._classes = jax.jit(functools.partial(classes, model))

    def __call__(self, reports: Sequence[str]) -> Int[np.ndarray, 'B Y']:
        """Labels in the order of `OBSERVATIONS`: 1 positive, 0 negative, -1 uncertain, -2 blank."""
        rows = self._pieces.ids(reports)
        labels = np.empty((len(rows), len(OBSERVATIONS)), np.int8)
        longest_first = sorted(range(len(rows)), key=lambda place: -len(rows[place]))
        for start in range(0, len(rows), self._batch_size):
            places = longest_first[start : start + self._batch_size]
            ids, mask = self._pieces.padded([rows[place] for place in places], self._batch_size)
            batch = put_batch({'ids': ids, 'mask': mask}, self._mesh)
            labels[places] = labels_of(np.asarray(self._classes(self._variables, **batch)))[: len(places)]
        return labels


def classes(model: ChexBert, variables: dict[str, Any], ids: Array, mask: Array) -> Int[Array, 'B Y']:
    """The likeliest class of each head."""
    return model.apply(variables, ids, mask).logits.argmax(-1)


def labels_of(head_classes: Int[np.ndarray, 'B Y']) -> Int[np.ndarray, 'B Y']:
    """Label values in the order of `OBSERVATIONS` from CheXbert's classes in the order of its heads."""
    return CLASS_VALUES[head_classes][:, FROM_CHEXBERT]


def chexbert_labeler(weights: str | Path, vocabulary: str | Path, **options: Any) -> Labeler:
    """CheXbert for `metrics.scorer`; options as `ChexBertLabeler` takes them."""
    return Labeler('chexbert', ChexBertLabeler(weights, vocabulary, **options))
