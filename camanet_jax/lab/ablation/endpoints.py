"""The endpoints of an ablation, fixed before its first run, as paired differences with intervals."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from camanet_jax.lab.ablation.results import Results, RunResult
from camanet_jax.lab.ablation.systems import printed_name
from camanet_jax.lab.ablation.tables import HERE, Row, Table, Value, finish, mean_gain, mean_value
from camanet_jax.metrics.bootstrap import patient_weights, percentile_interval, resampling_weights
from camanet_jax.metrics.scores import in_order, patients_of

# Group and name of `metrics.scorer.SetScores.statistics`: three numbers and no more, so that none is picked afterwards.
ENDPOINTS = (('clinical', 'findings_macro_F1'), ('cut', 'CIDEr'), ('cut', 'BLEU_4'))
# What each part of the method adds. VDMAE against bce_only is the maps' own part: both have the classifier's loss.
COMPARISONS = (
    ('base', 'bce_only'),
    ('bce_only', 'vdmae'),
    ('base', 'vdmae'),
    ('vdmae', 'camanet'),
    ('base', 'camanet'),
    ('vdmae', 'camanet_official'),
    ('base', 'camanet_official'),
    # Beyond the paper.
    ('bce_only', 'peaked_bce_only'),
    ('peaked_bce_only', 'peaked_vdmae'),
    ('vdmae', 'peaked_vdmae'),
    ('vdmae', 'peaked_aligned'),
)
# Predictions files of the test split. The last checkpoint decides: the selected one was chosen by BLEU.
CHECKPOINTS = {'last': 'test_last', 'selected': 'test'}


def endpoints_table(results: Results) -> Table:
    """Every system's endpoints, then the differences of the comparisons whose systems have a seed in common."""
    rows = []
    for checkpoint, file in CHECKPOINTS.items():
        for system in results.systems:
            if runs := [run for run in results.runs(system) if run.has_predictions(file)]:
                values = (
                    [run.scored(file).statistics[group][name].value() for run in runs] for group, name in ENDPOINTS
                )
                cells = (*map(mean_value, values), str(len(runs)))
                rows.append(Row(results.data_set, f'{printed_name(system)}, {checkpoint}', HERE, cells))
        for before, after in COMPARISONS:
            pairs = [pair for pair in results.pairs(after, before) if all(run.has_predictions(file) for run in pair)]
            if pairs:
                studies = patient_weights(patients_of(in_order(pairs[0][0].predictions(file))))
                cells = (*(difference(pairs, file, studies, *endpoint) for endpoint in ENDPOINTS), str(len(pairs)))
                title = f'{printed_name(before)} to {printed_name(after)}, {checkpoint}'
                rows.append(Row(results.data_set, title, HERE, cells))
    notes = (
        'Systems: mean ± sample standard deviation over seeds. Comparisons: mean difference of runs of the same seed, '
        'with a 95% bootstrap interval that draws seeds and studies anew (with fewer than five seeds it is '
        'too narrow), and in how many seeds it is above 0. Macro F1 is over the 13 observations without No Finding, '
        'which are read off both reports by rules, uncertain as negative. The last checkpoint decides.',
    )
    columns = (*(name for _, name in ENDPOINTS), 'seeds')
    return finish('endpoints', 'Endpoints', columns, rows, results, notes)


def difference(
    pairs: Sequence[tuple[RunResult, RunResult]],
    file: str,
    studies: Int[np.ndarray, 'resamples B'],
    group: str,
    name: str,
) -> Value:
    """The mean difference over seeds, with its interval over seeds and studies, drawn by the weights `studies`."""
    scores = [[run.scored(file).statistics[group][name] for run in pair] for pair in pairs]
    seeds = resampling_weights(len(pairs), seed=1) / len(pairs)  # [resamples, seeds]
    resampled = np.stack([after.resampled(studies) - before.resampled(studies) for after, before in scores], 1)
    gains = mean_gain([after.value() - before.value() for after, before in scores])
    return gains._replace(interval=percentile_interval((resampled * seeds).sum(1)))
