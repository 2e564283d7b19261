"""The command of `scripts/score.py`, from files to scores."""

import dataclasses
from pathlib import Path
from typing import Any

from camanet_jax.labeling.label_reports import digest
from camanet_jax.labeling.rule_labeler import RULES, Labeler
from camanet_jax.metrics import bootstrap
from camanet_jax.metrics.constant_baseline import ConstantReport, select_constant_report, train_texts
from camanet_jax.metrics.protocol import CLEANED, Recaser
from camanet_jax.metrics.scorer import Scorer
from camanet_jax.metrics.scores import Labels, compare_predictions, score_predictions
from camanet_jax.run.files import read_json, write_json
from camanet_jax.run.provenance import package_versions, run_provenance
from camanet_jax.scoring import radeval, tables
from camanet_jax.scoring.report_rows import REPORT, DataFolder, read_data_folder, read_rows, texts
from camanet_jax.scoring.studies import Studies, pair_studies, read_labels, same_studies
from camanet_jax.scoring.text_rules import TextRules, choose_rules, run_folder


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line; `scripts/score.py --help` says what each is."""

    predictions: Path
    protocol: str
    references: Path | None = None
    data: Path | None = None
    split: str | None = None
    cleaner: str | None = None
    threshold: int | None = None
    max_seq_length: int | None = None
    recase: bool = False
    labels: Path | None = None
    predicted_labels: Path | None = None
    compared_labels: Path | None = None
    labeler: str = 'rules'
    weights: Path | None = None
    vocabulary: Path | None = None
    uncertain: str = 'negative'
    compare: Path | None = None
    export: Path | None = None
    merge: Path | None = None
    output: Path | None = None
    resamples: int = bootstrap.RESAMPLES
    seed: int = 0

    def __post_init__(self):
        inputs = {path.resolve() for path in (self.predictions, self.references, self.compare, self.merge) if path}
        if taken := [str(path) for path in (self.output, self.export) if path and path.resolve() in inputs]:
            raise ValueError(f'{taken[0]} is read and written; choose another file for the result.')
        if self.predicted_labels and not self.labels:
            raise ValueError('--predicted_labels needs --labels, the labels of the references by the same labeler.')
        if self.recase and self.protocol in CLEANED:
            raise ValueError(f'--recase is for the protocols that compare texts as written, got {self.protocol}.')
        if self.compared_labels and not (self.compare and self.predicted_labels):
            raise ValueError('--compared_labels, labels of the reports in --compare, needs --predicted_labels too.')


def score(options: Options) -> dict[str, Any]:
    """Scores a file, prints the tables, writes what was asked for; returns the JSON's content."""
    folder = read_data_folder(options.data) if options.data else None
    rules = choose_rules(
        options.protocol,
        run_folder(options.predictions),
        folder,
        cleaner=options.cleaner,
        threshold=options.threshold,
        max_seq_length=options.max_seq_length,
    )
    studies = pair_studies(options.predictions, options.references, folder, options.split, options.protocol)
    labels = Labels(
        read_labels(options.predicted_labels, studies.ids),
        read_labels(options.labels, studies.ids),
    )
    # What labels the constant report must be what labelled the reports: a file cannot.
    labeler = None if labels.predicted else choose_labeler(options)
    recaser = Recaser(folder.texts('train') if folder else ()) if options.recase else None
    settings = dict(
        labeler=labeler,
        uncertain=options.uncertain,
        protocols=(options.protocol,),
        recaser=recaser,
        resamples=options.resamples,
        seed=options.seed,
    )
    train = train_texts(folder.texts('train'), *rules[:2], settings['protocols']) if folder else None
    entry = score_predictions(
        studies.predictions,
        *rules[:2],
        constant=constant_report(folder, rules, options.seed),
        train=train,
        labels=labels,
        **settings,
    )
    if options.compare:
        entry['comparison'] = comparison(options, studies, rules, labels, settings)
    if options.merge:
        found = radeval.read_scores(options.merge, studies.ids, options.protocol, options.resamples, options.seed)
        entry['merged'] = {'file': str(options.merge), 'sha256': digest(options.merge), **found}
    entry['provenance'] = provenance(options, studies, rules, folder)
    write(options, entry, studies, Scorer(*rules[:2], recaser=recaser))
    return entry


def choose_labeler(options: Options) -> Labeler | None:
    """The labeler by its name."""
    if options.labeler == 'chexbert':
        from camanet_jax.labeling.chexbert_labeler import chexbert_labeler

        if not (options.weights and options.vocabulary):
            raise ValueError('--labeler=chexbert needs --weights chexbert.pth and --vocabulary vocab.txt')
        return chexbert_labeler(options.weights, options.vocabulary)
    return RULES if options.labeler == 'rules' else None


def constant_report(folder: DataFolder | None, rules: TextRules, seed: int) -> ConstantReport | None:
    """The best single report for every study, where there is a validation split to choose it on."""
    if folder is None or not folder.reports['val']:
        return None
    return select_constant_report(folder.texts('train'), folder.texts('val'), *rules[:2], seed=seed)


def comparison(
    options: Options, studies: Studies, rules: TextRules, labels: Labels, settings: dict[str, Any]
) -> dict[str, Any]:
    """Paired differences, these reports minus those of the other file."""
    path = options.compare
    reports = texts(read_rows(path), path, REPORT)
    same_studies(studies.ids, reports, str(options.predictions), str(path))
    others = [row | {'report': reports[row['id']]} for row in studies.predictions]
    difference = compare_predictions(
        studies.predictions,
        others,
        *rules[:2],
        labels=labels,
        baseline_labels=read_labels(options.compared_labels, studies.ids),
        **settings,
    )
    return {'file': str(path), 'sha256': digest(path), **known_of(path), 'difference': difference}


def known_of(predictions: Path) -> dict[str, Any]:
    """The run that made a predictions file, where the file lies in its workdir."""
    run = run_folder(predictions)
    if run is None:
        return {'config': None, 'variant': None, 'seed': None, 'step': None}
    recorded = read_json(run / 'scores.json') if (run / 'scores.json').exists() else {}
    return run_provenance(read_json(run / 'config.json'), recorded.get('provenance', {}).get('step'))


def provenance(options: Options, studies: Studies, rules: TextRules, folder: DataFolder | None) -> dict[str, Any]:
    """Everything that the scores depend on, and the system as far as it is known."""
    return known_of(options.predictions) | {
        'predictions': {'file': str(options.predictions), 'sha256': digest(options.predictions)},
        'references': studies.references,
        'split': studies.split,
        'protocol': options.protocol,
        'annotation': {'file': str(folder.path), 'sha256': digest(folder.path)} if folder else None,
        'text_rules': rules.facts,
        'bootstrap': {'resamples': options.resamples, 'seed': options.seed},
        'versions': package_versions(),
    }


def write(options: Options, entry: dict[str, Any], studies: Studies, scorer: Scorer) -> None:
    """Prints the tables and writes the files."""
    print(tables.report_text(entry))
    if options.export:
        radeval.export_pairs(options.export, studies, options.protocol, scorer)
        print(f'\nPairs for RadEval: {options.export}')
    if options.output:
        write_json(options.output, entry)
        print(f'\nScores as JSON: {options.output}')
