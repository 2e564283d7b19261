"""Tables of the maps' alignment by system (the paper's Figure 7 in numbers), and a test of its claim."""

import statistics
from collections.abc import Callable, Sequence
from functools import partial

from camanet_jax.lab.ablation.results import Results, RunResult
from camanet_jax.lab.ablation.systems import printed_name
from camanet_jax.lab.ablation.tables import (
    HERE,
    NOT_MEASURED,
    Row,
    Table,
    Value,
    finish,
    mean_gain,
    mean_value,
    not_measured,
)
from camanet_jax.lab.alignment.maps import MEANING
from camanet_jax.lab.alignment.summary import MEASURES

PERFECT = 'lesion_itself'
MAPS = tuple(name for name in MEANING if name != PERFECT)
COLUMNS = ('lesions', 'chance', *MEASURES, *(f'{name}_above_base' for name in MEASURES))
# The steps of the paper's claim Base < +VDMAE < +VDMAE+VTAC, in each variant.
STEPS = (
    ('base', 'vdmae'),
    ('vdmae', 'camanet'),
    ('base', 'camanet'),
    ('vdmae', 'camanet_soft'),
    ('base', 'vdmae_official'),
    ('vdmae_official', 'camanet_official'),
    ('base', 'camanet_official'),
    ('base', 'vdmae_findings'),
    ('vdmae_findings', 'camanet_findings'),
    ('vdmae', 'camanet_findings'),
    ('vdmae', 'clip_0.1'),
    ('vdmae', 'clip_0.25'),
    # One part of VTAC exchanged, then the other as well.
    ('camanet', 'true_map'),
    ('camanet', 'own_words'),
    ('true_map', 'true_map_own_words'),
    ('own_words', 'true_map_own_words'),
    ('true_map_own_words', 'true_map_predicted_words'),
    ('true_map_own_words', 'true_map_own_mass'),
    ('true_map_own_words', 'true_map_predicted_mass'),
    ('true_map_own_words', 'true_map_own_mean'),
    ('true_map_own_words', 'true_map_own_divergence'),
    ('true_map_own_mass', 'true_map_own_maximum_mass'),
    ('true_map_own_mass', 'true_map_own_scaled_mass'),
    ('true_map_own_mass', 'true_map_own_squares'),
    ('camanet', 'mean_of_words'),
    ('camanet', 'predicting_row'),
    # Beyond the paper.
    ('camanet', 'mass'),
    ('vdmae', 'mass'),
    ('vdmae', 'class_words'),
    ('vdmae', 'vdm_bias'),
    ('class_words', 'class_words_bias'),
    ('vdmae', 'aligned'),
    ('camanet', 'aligned'),
    ('vdmae', 'peaked_vdmae'),
    ('camanet', 'peaked_camanet'),
    ('class_words', 'peaked_class_words'),
    ('aligned', 'peaked_aligned'),
    ('vdmae', 'peaked_aligned'),
)
WORDS = 'words_reference'
SELECTION = ('tdm_vdm_correlation', 'vtac_mse', 'empty_tdm_mse')
SELECTION += ('selected_share', 'selected_share_of_finding_words', 'made_by_finding_words')


def alignment_table(results: Results) -> Table:
    """The table of every system's maps against the lesions."""
    rows = []
    for system in results.systems:
        runs = [run for run in results.runs(system) if run.alignment]
        if not runs:
            rows.append(not_measured(results.data_set, printed_name(system), len(COLUMNS)))
            continue
        for name in (name for name in MAPS if all(name in run.alignment for run in runs)):
            rows.append(alignment_row(results, runs, name))
    title = 'Alignment of the maps with the lesions'
    return finish('alignment', title, COLUMNS, rows, results, alignment_notes(results))


def alignment_row(results: Results, runs: Sequence[RunResult], name: str) -> Row:
    """The row of a system's map, over seeds."""
    entries = [run.alignment[name] for run in runs]
    lesions = mean_value([entry['lesions'] for entry in entries], decimals=0)
    chance = mean_value([entry['pointing']['chance'] for entry in entries])
    own = [mean_value([entry[measure]['value'] for entry in entries]) for measure in MEASURES]
    system, gains = runs[0].system, [None] * len(MEASURES)
    if system != 'base':
        measures = (partial(lesion_gain, name, measure) for measure in MEASURES)
        gains = [mean_gain(seed_gains(results, 'base', system, gain)) for gain in measures]
    return Row(results.data_set, f'{printed_name(system)}: {name}', HERE, (lesions, chance, *own, *gains))


def alignment_notes(results: Results) -> tuple[str, ...]:
    """Notes on how to read the table."""
    perfect = [run.alignment[PERFECT] for run in results.every_run() if PERFECT in (run.alignment or {})]
    best = ''
    if perfect:
        scores = ', '.join(f'{measure} {perfect[0][measure]["value"]:.3f}' for measure in MEASURES)
        best = f' A perfect map, the lesion itself on the same patches, has {scores}.'
    return (
        'Maps: ' + '; '.join(f'{name}: {MEANING[name]}' for name in MAPS) + '.',
        "Pointing: the lesion's share of the strongest patch. Energy: the share of the map's sum inside the "
        'lesion. IoU: at the threshold that is best for all other studies. Chance: each measure of a uniform map, '
        f"the lesions' share of the film.{best}",
        "Above Base: against the same map of the same seed's Base, which has word attention only, over the "
        'lesions that both have, and in how many seeds. Maps of generated reports count only lesions that the '
        'report names.',
    )


def claim_table(results: Results) -> Table:
    """The table of the gain of each part of the method, seed by seed."""
    measures = claim_measures()
    rows = []
    for before, after in STEPS:
        if before in results.systems and after in results.systems:
            gains = [seed_gains(results, before, after, gain) for gain in measures.values()]
            cells = tuple(mean_gain(values) or NOT_MEASURED for values in gains)
            rows.append(Row(results.data_set, f'{printed_name(before)} to {printed_name(after)}', HERE, cells))
    notes = (
        'Differences of runs with the same seed: mean ± sample standard deviation, and in how many seeds there is '
        f"a gain. Pointing and energy are those of {WORDS}: attention while predicting the finding's own words "
        'in the reference.',
    )
    return finish('claim', 'Does Base < +VDMAE < +VDMAE+VTAC hold?', tuple(measures), rows, results, notes)


def claim_measures() -> dict[str, Callable[[RunResult, RunResult], float | None]]:
    """The gain of one run over another, by column."""
    language = {name: partial(score_gain, name) for name in ('BLEU_4', 'ROUGE_L', 'METEOR', 'CIDEr')}
    clinical = {
        'clinical_F1': lambda after, before: after.scores['clinical']['F1'] - before.scores['clinical']['F1'],
        'findings_macro_F1': lambda after, before: macro_f1(after) - macro_f1(before),
    }
    words = {f'{measure}_of_words': partial(lesion_gain, WORDS, measure) for measure in ('pointing', 'energy')}
    return language | clinical | words


def macro_f1(run: RunResult) -> float:
    """Over the 13 observations without No Finding."""
    return run.scored('test').statistics['clinical']['findings_macro_F1'].value()


def own_words_table(results: Results) -> Table:
    """The table of attention while a finding's own words are predicted, and of what hiding the lesion does to them."""
    rows = []
    for system in results.systems:
        if runs := [run for run in results.runs(system) if WORDS in (run.alignment or {})]:
            entries = [run.alignment[WORDS] for run in runs]
            falls = [run.hiding for run in runs if run.hiding.get('lesions')]
            cells = (
                mean_value([macro_f1(run) for run in runs]),
                mean_value([entry['pointing']['chance'] for entry in entries]),
                *(mean_value([entry[name]['value'] for entry in entries]) for name in ('pointing', 'energy')),
                *(above_chance([entry[name] for entry in entries]) for name in ('pointing', 'energy')),
                mean_value([fall['value'] for fall in falls]),
                mean_value([fall['baseline'] for fall in falls]),
            )
            rows.append(Row(results.data_set, printed_name(system), HERE, cells))
    notes = (
        "Pointing and energy: of the attention while the finding's own words are predicted in the reference. Above "
        'chance: in how many seeds the 95% interval over studies is. Hidden: by how much the log-probability of these '
        "words falls, in nats a word, when nobody reads the lesion's visual tokens, or as many elsewhere in the film.",
    )
    columns = ('findings_macro_F1', 'chance', 'pointing', 'energy', 'pointing_above_chance', 'energy_above_chance')
    columns += ('lesion_hidden', 'elsewhere_hidden')
    return finish('own_words', "The findings' own words", columns, rows, results, notes)


def above_chance(scores: Sequence[dict[str, float]]) -> Value:
    """The mean lead over chance, and in how many seeds its interval is above 0."""
    lead = mean_value([entry['difference'] for entry in scores])
    return lead._replace(above=sum(entry['difference_low'] > 0 for entry in scores))


def selection_table(results: Results) -> Table:
    """The table of the words that make the TDM, for the systems with VTAC."""
    rows = []
    for system in results.systems:
        if runs := [run for run in results.runs(system) if run.selection]:
            cells = tuple(mean_value([run.selection[name] for run in runs]) for name in SELECTION)
            rows.append(Row(results.data_set, printed_name(system), HERE, (*cells, first_makers(runs))))
    notes = (
        'References of the test split. Correlation and mean squared difference are those of TDM and VDM; empty: '
        'the difference if the TDM were zero. Shares of words are of reports that name a finding: all words, and '
        "those that name it. Made by finding words: the share of patches in which such a word is the TDM's "
        'maximum. Words: those that are the maximum most often, with their share of the patches, by seed.',
    )
    columns = (*SELECTION, 'words')
    return finish('selection', 'What VTAC selects', columns, rows, results, notes)


def first_makers(runs: Sequence[RunResult]) -> str:
    """The two words that make most of the TDM, for every seed."""
    first = (list(run.selection['makers'].items())[:2] for run in runs)
    return '; '.join(', '.join(f'{word} {share:.2f}' for word, share in of_seed) for of_seed in first)


def seed_gains(
    results: Results, before: str, after: str, gain: Callable[[RunResult, RunResult], float | None]
) -> list[float]:
    """The gains for seeds of both systems, where they were measured."""
    return [value for pair in results.pairs(after, before) if (value := gain(*pair)) is not None]


def score_gain(name: str, after: RunResult, before: RunResult) -> float | None:
    """The difference of a language score; METEOR may be missing."""
    scores = [run.scores['cut'].get(name) for run in (after, before)]
    return None if None in scores else scores[0] - scores[1]


def lesion_gain(name: str, measure: str, after: RunResult, before: RunResult) -> float | None:
    """The mean difference of a map's measure over the lesions for which both runs have the map."""
    ours, theirs = (
        {key: maps[name][measure] for key, maps in run.lesions.items() if name in maps} for run in (after, before)
    )
    common = ours.keys() & theirs.keys()
    return statistics.fmean(ours[key] - theirs[key] for key in common) if common else None
