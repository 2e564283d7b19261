"""The command of `scripts/score.py`, from files to scores."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from camanet_jax.data.rexrank import SECTIONS
from camanet_jax.labeling.label_reports import digest
from camanet_jax.labeling.rule_labeler import RULES, Labeler
from camanet_jax.metrics import bootstrap
from camanet_jax.metrics.constant_baseline import (
    ConstantReport,
    TrainTexts,
    copied_share,
    select_constant_report,
    train_texts,
)
from camanet_jax.metrics.protocol import CLEANED, Recaser
from camanet_jax.metrics.scorer import Scorer, SetScores
from camanet_jax.metrics.scores import Labels, labelled_texts, patients_of, score_sets, split_entry
from camanet_jax.run.files import read_json, write_columns, write_json
from camanet_jax.run.provenance import package_versions, run_provenance
from camanet_jax.scoring import exchange, leader_board, tables
from camanet_jax.scoring.leader_board import System
from camanet_jax.scoring.report_rows import DataFolder, read_data_folder, read_rows, reports_of
from camanet_jax.scoring.studies import Studies, pair_studies, read_labels, same_studies
from camanet_jax.scoring.text_rules import TextRules, choose_rules, run_folder

CONSTANT = 'constant report'


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line; `scripts/score.py --help` says what each is."""

    predictions: Path
    protocol: str
    references: Path | None = None
    data: Path | None = None
    split: str | None = None
    section: str = SECTIONS[0]
    cleaner: str | None = None
    threshold: int | None = None
    max_seq_length: int | None = None
    recase: bool = False
    labels: Path | None = None
    predicted_labels: Path | None = None
    compared_labels: Sequence[Path] = ()
    labeler: str = 'rules'
    weights: Path | None = None
    vocabulary: Path | None = None
    uncertain: str = 'negative'
    compare: Sequence[Path] = ()
    board: Sequence[Path] = ()
    export: Path | None = None
    merge: Path | None = None
    per_study: Path | None = None
    output: Path | None = None
    resamples: int = bootstrap.RESAMPLES
    permutations: int = bootstrap.PERMUTATIONS
    seed: int = 0

    def __post_init__(self):
        files = self.predictions, self.references, self.merge, self.labels, self.predicted_labels, self.weights
        annotation = self.data and self.data / 'annotation.json'
        read = *files, self.vocabulary, *self.compare, *self.compared_labels, self.data, annotation
        taken = {path.resolve() for path in read if path}
        for path in filter(None, (self.output, self.export, self.per_study, *self.board)):
            if path.resolve() in taken:
                raise ValueError(f'{path} is read and written, or written twice; choose another file for the result.')
            taken.add(path.resolve())
        if self.export and self.export.suffix not in exchange.SUFFIXES:
            raise ValueError(f'{self.export}: expected a name that ends in .json, .csv or .parquet, or a folder')
        if min(self.permutations, self.resamples) < 1:
            got = f'{self.permutations} and {self.resamples}'
            raise ValueError(f'Expected at least one permutation and one resample, got {got}.')
        if self.predicted_labels and not self.labels:
            raise ValueError('--predicted_labels needs --labels, the labels of the references by the same labeler.')
        if self.recase and self.protocol in CLEANED:
            raise ValueError(f'--recase is for the protocols that compare texts as written, got {self.protocol}.')
        if self.compared_labels and not (len(self.compared_labels) == len(self.compare) and self.predicted_labels):
            raise ValueError(
                '--compared_labels, one file of labels for each of --compare, needs --predicted_labels too.'
            )
        if unknown := [str(path) for path in self.board if path.suffix not in leader_board.SUFFIXES]:
            raise ValueError(f'--board: expected a name in {", ".join(leader_board.SUFFIXES)}, got {unknown[0]}')


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
    studies = pair_studies(
        options.predictions, options.references, folder, options.split, options.protocol, options.section
    )
    labels = Labels(read_labels(options.predicted_labels, studies.ids), read_labels(options.labels, studies.ids))
    # Without a vocabulary `cut` leaves <unk> alone.
    texts = [text for text in labelled_texts(studies.predictions) if text != 'cut' or 'vocabulary' in rules.facts]
    scorer = Scorer(
        rules.tokenizer,
        rules.max_seq_length,
        # What labels the constant report must be what labelled the reports: a file cannot.
        labeler=None if labels.predicted else choose_labeler(options),
        uncertain=options.uncertain,
        protocols=(options.protocol,),
        texts=tuple(texts),
        recaser=Recaser(folder.texts('train') if folder else ()) if options.recase else None,
    )
    patients = patients_of(studies.predictions)
    weights = bootstrap.patient_weights(patients, options.resamples, options.seed)
    constant = constant_report(folder, rules)
    # A copy is one in cleaned form too: the model writes no other.
    form = options.protocol if options.protocol in CLEANED else 'full'
    train = train_texts(folder.texts('train'), rules.tokenizer, rules.max_seq_length, (form,)) if folder else None
    own, baseline = score_sets(studies.predictions, scorer, constant, labels)
    entry = split_entry(studies.predictions, scorer, own, weights, constant=constant, baseline=baseline, train=train)
    values = own.nlg[options.protocol].per_study
    if options.merge:
        merged = exchange.with_radcliq(exchange.read_scores(options.merge, studies, options.protocol, scorer), values)
        entry['merged'] = file_facts(options.merge) | exchange.summary(merged, weights)
        values = merged.per_study | values
    if options.compare or options.board:
        names = system_names([options.predictions, *options.compare])
        systems = {names[options.predictions]: make_system(studies.reports, own, scorer, train)}
        for path, *scored in compared(options, studies, scorer, labels):
            systems[names[path]] = make_system(*scored, scorer, train)
        if constant is not None:
            systems[CONSTANT] = make_system([constant.report] * len(studies.ids), baseline, scorer, train)
        entry['leader_board'] = leader_board.compare(systems, weights, patients, options.permutations, options.seed)
        entry['leader_board']['files'] = {names[path]: file_facts(path) | known_of(path) for path in options.compare}
        for path in options.board:
            leader_board.write_board(path, entry['leader_board'], systems, studies, scorer, options.protocol)
    entry['provenance'] = provenance(options, studies, rules, folder)
    write(options, entry, studies, scorer, values)
    return entry


def compared(
    options: Options, studies: Studies, scorer: Scorer, labels: Labels
) -> Iterator[tuple[Path, list[str], SetScores]]:
    """File, reports and scores of each system that is compared."""
    for path, label_file in zip_longest(options.compare, options.compared_labels):
        rows = read_rows(path, options.section)
        given = reports_of({name: row for name, row in rows.items() if name not in studies.left_out}, path)
        same_studies(studies.ids, given, str(options.predictions), str(path))
        reports = [given[study_id] for study_id in studies.ids]
        predicted = read_labels(label_file, studies.ids)
        yield path, reports, scorer.score(reports, studies.whole_references, predicted, labels.target)


def make_system(reports: list[str], scores: SetScores, scorer: Scorer, train: TrainTexts | None) -> System:
    """A row of the leader board."""
    copied = copied_share(reports, train or {}, scorer.tokenizer, scorer.max_seq_length)
    return System(reports, scores, scorer.distinct(reports), next(iter(copied.values()), None))


def system_names(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for each file: its run's, or its own, or the whole path where several would have one name."""
    short = {path: run.name if (run := run_folder(path)) else path.stem for path in paths}
    counts = Counter(short.values())
    return {path: name if counts[name] == 1 and name != CONSTANT else str(path) for path, name in short.items()}


def file_facts(path: Path) -> dict[str, str]:
    """A file, and what tells it apart from another of its name."""
    return {'file': str(path), 'sha256': digest(path)}


def choose_labeler(options: Options) -> Labeler | None:
    """The labeler by its name."""
    if options.labeler == 'chexbert':
        from camanet_jax.labeling.chexbert_labeler import chexbert_labeler

        if not (options.weights and options.vocabulary):
            raise ValueError('--labeler=chexbert needs --weights chexbert.pth and --vocabulary vocab.txt')
        return chexbert_labeler(options.weights, options.vocabulary)
    return RULES if options.labeler == 'rules' else None


def constant_report(folder: DataFolder | None, rules: TextRules) -> ConstantReport | None:
    """The best single report for every study, where there is a validation split to choose it on."""
    if folder is None or not folder.reports['val']:
        return None
    texts = folder.texts('train'), folder.texts('val')
    return select_constant_report(*texts, rules.tokenizer, rules.max_seq_length)


def known_of(predictions: Path) -> dict[str, Any]:
    """The run that made a predictions file: as its rows have it, and by the workdir that it lies in."""
    run, made_by = run_folder(predictions), next(iter(read_rows(predictions).values())).get('made_by')
    made_by = made_by if isinstance(made_by, dict) else {}
    if run is None:
        return dict.fromkeys(('config', 'variant', 'seed', 'step')) | made_by
    recorded = read_json(run / 'scores.json') if (run / 'scores.json').exists() else {}
    step = made_by.get('step', recorded.get('provenance', {}).get('step'))  # a run writes of its last step too
    return run_provenance(read_json(run / 'config.json'), step)


def provenance(options: Options, studies: Studies, rules: TextRules, folder: DataFolder | None) -> dict[str, Any]:
    """Everything that the scores depend on, and the system as far as it is known."""
    return known_of(options.predictions) | {
        'predictions': file_facts(options.predictions),
        'references': studies.references,
        'split': studies.split,
        'protocol': options.protocol,
        'section': options.section if options.protocol == 'rexrank' else None,
        'left_out': len(studies.left_out),
        'empty_reports': sum(not report.strip() for report in studies.reports),
        'annotation': file_facts(folder.path) if folder else None,
        'text_rules': rules.facts,
        'bootstrap': {'resamples': options.resamples, 'seed': options.seed},
        'versions': package_versions(),
    }


def write(
    options: Options, entry: dict[str, Any], studies: Studies, scorer: Scorer, values: dict[str, np.ndarray]
) -> None:
    """Prints the tables and writes the files."""
    print(tables.report_text(entry))
    if options.export:
        exchange.export_pairs(options.export, studies, options.protocol, scorer)
    if options.per_study:
        write_columns(options.per_study, {'id': studies.ids, **{name: each.tolist() for name, each in values.items()}})
    if options.output:
        write_json(options.output, entry)
    for title, paths in (
        ('Pairs for other programs', [options.export]),
        ('Scores by study', [options.per_study]),
        ('Leader board', options.board),
        ('Scores as JSON', [options.output]),
    ):
        for path in filter(None, paths):
            print(f'\n{title}: {path}')
