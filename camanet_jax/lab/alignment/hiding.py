"""A causal measure of alignment: how much less likely the words of a finding become when its lesion is hidden.

Where attention lies need not be where the words come from. Here nobody reads the visual tokens that a lesion touches:
neither the classifier, nor the maps, nor encoder or decoder. As a control, the same area is hidden elsewhere in the
same film. L report words, P visual tokens.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool

from camanet_jax.data.sources import Source
from camanet_jax.explain import explain
from camanet_jax.lab.alignment.lesions import ANY, Lesion
from camanet_jax.lab.alignment.maps import batch_inputs
from camanet_jax.lab.alignment.naming import naming_positions
from camanet_jax.run.progress import tracked
from camanet_jax.run.workdir import TrainedRun

Fall = tuple[Lesion, float, float]  # in nats a word: the lesion hidden, the same area elsewhere hidden


def measure_falls(run: TrainedRun, source: Source, lesions: Sequence[Lesion]) -> Iterator[Fall]:
    """Yields, for every lesion that the reference names, the falls of its words' mean log-probability.

    A lesion that touches all tokens of its films, or whose area elsewhere would touch the lesion, is left out.
    """
    config, tokenizer, model = run.experiment.config, run.experiment.tokenizer, run.experiment.model()
    load = run.experiment.study_loader(source)
    named = []
    for lesion in (lesion for lesion in lesions if lesion.observation != ANY):
        touched = lesion.share > 0
        hidden = np.stack([np.zeros_like(touched), touched, elsewhere(touched)])
        ids = tokenizer.encode(source.studies[lesion.position].report, config.data.max_seq_length)
        positions = naming_positions(tokenizer.pieces(ids), lesion.name)
        if positions and not (hidden[1] & hidden[2]).any():
            named.append((lesion, positions, hidden))
    size = config.evaluation.batch_size
    for start in tracked(range(0, len(named), size), 'Hiding lesions', -(-len(named) // size)):
        chunk = named[start : start + size]
        filled = (chunk + chunk[-1:] * size)[:size]  # one shape of batches
        images, extras, tokens = batch_inputs([load(lesion.position) for lesion, _, _ in filled])
        missing = images.shape[1] - len(chunk[0][0].share)  # films that such studies do not have
        hidden = np.stack([hidden for _, _, hidden in filled], axis=1)  # --> [3, B, I, rows, columns]
        hidden = np.pad(hidden, ((0, 0), (0, 0), (0, missing), (0, 0), (0, 0)), constant_values=True)
        masks = ~hidden.reshape(*hidden.shape[:2], -1)
        explained = [explain(run.variables, images, tokens, extras | {'view_mask': m}, model=model) for m in masks]
        for (lesion, positions, _), *studies in zip(chunk, *explained, strict=False):
            full, *others = (study.log_probs[positions].mean() for study in studies)
            yield lesion, *(float(full - other) for other in others)


def elsewhere(hidden: Bool[np.ndarray, 'I rows columns']) -> Bool[np.ndarray, 'I rows columns']:
    """The same area half a film further down and to the right, around the edges."""
    return np.roll(hidden, (hidden.shape[1] // 2, hidden.shape[2] // 2), axis=(1, 2))
