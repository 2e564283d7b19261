"""The steps of `scripts/prepare_data.py`: collect studies, label them, write the folder, write its records."""

import dataclasses
import logging
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from camanet_jax.data.schema import OBSERVATIONS, SPLITS, Study, check_labels, label_row, summarise
from camanet_jax.labeling.label_files import IGNORED, Labels, positives, read_label_csv, read_label_json
from camanet_jax.labeling.rule_labeler import label_reports
from camanet_jax.preparation.folder import Collected, check_output, count_splits, write_study_folder
from camanet_jax.preparation.iu_xray import collect_iu_xray
from camanet_jax.preparation.mimic_cxr import collect_mimic_cxr, find_table, study_number
from camanet_jax.preparation.own_data import collect_own, with_original_sizes
from camanet_jax.preparation.records import write_records

LOG = logging.getLogger(__name__)

MIMIC_TABLES = ('chexpert', 'negbio')


def prepare_data(options: Namespace) -> None:
    """Prepares one data set by the options of `scripts/prepare_data.py`; a ValueError names faults of the source."""
    if not options.source.is_dir():
        raise ValueError(f'{options.source}: expected the folder of the raw data')
    check_output(options.source, options.output)
    beam = beam_options(options.beam_runner, options.beam_options) if options.beam_runner else {}
    collected = label(collect(options), options)
    write_study_folder(options.output, collected, options.store)
    counts = count_splits(collected.studies)
    LOG.info('%s: %s studies', options.output, ', '.join(f'{counts[split]:,} {split}' for split in SPLITS))
    if not options.annotation_only:
        only_existing = getattr(options, 'only_existing_images', False)
        write_records(options.output, only_existing_images=only_existing, processes=options.processes, **beam)
    labels = options.output / 'labels.json'
    if not labels.exists():
        LOG.info('There are no labels yet. Write %s with scripts/label_reports.py, or give --labels=rules', labels)


def collect(options: Namespace) -> Collected:
    """Collects the studies of the source."""
    source, output = options.source, options.output
    if options.kind == 'iu_xray':
        chosen = {name: getattr(options, name) for name in ('annotation', 'only_existing_images', 'section')}
        return collect_iu_xray(source, output, **chosen)
    if options.kind == 'mimic_cxr':
        chosen = {name: getattr(options, name) for name in ('reports', 'annotation', 'samples', 'views', 'section')}
        return collect_mimic_cxr(source, **chosen)
    chosen = {name: getattr(options, name) for name in ('table', 'patient_rule', 'uncertain')}
    collected = collect_own(source, output, decode_images=not options.only_look, **chosen)
    if options.original_sizes is None:
        return collected
    return dataclasses.replace(collected, studies=with_original_sizes(collected.studies, options.original_sizes))


def label(collected: Collected, options: Namespace) -> Collected:
    """Adds the labels asked for, and notes their origin among the facts."""
    if not options.labels:
        return collected
    if options.kind == 'mimic_cxr' and options.labels in MIMIC_TABLES:
        table = find_table(options.source, options.labels)
        studies = label_from_mimic_table(collected.studies, table, options.uncertain)
    elif options.labels == 'rules':
        studies = label_by_rules(collected.studies, options.uncertain)
    else:
        studies = label_from_file(collected.studies, Path(options.labels), options.uncertain)
    check_labels(studies, options.labels)
    facts = collected.facts | {'labels': options.labels, 'uncertain_labels': options.uncertain}
    return dataclasses.replace(collected, studies=studies, facts=facts)


def beam_options(runner: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Options of `tfds.download.DownloadConfig` for a Beam runner.

    Args:
      runner: Beam's name of it, e.g. 'DirectRunner', 'DataflowRunner', 'FlinkRunner'.
      arguments: the pipeline's, e.g. 'project=...'.

    Raises:
      ValueError: Apache Beam is not installed.
    """
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise ValueError("a Beam runner needs Apache Beam: pip install 'camanet_jax[beam]'") from error
    flags = [f'--{argument}' for argument in (f'runner={runner}', *arguments)]
    return {'beam_runner': runner, 'beam_options': PipelineOptions(flags)}


def label_by_rules(studies: Sequence[Study], uncertain: str) -> list[Study]:
    """Adds the labels that the rule-based labeler reads off the reports."""
    labels = positives(label_reports([study.report for study in studies]), uncertain)
    return [_with_row(study, row) for study, row in zip(studies, labels, strict=True)]


def label_from_file(studies: Sequence[Study], path: Path, uncertain: str) -> list[Study]:
    """Adds the labels of a file: JSON by study id (CXR54_IM-2145 stands for CXR54_IM-2145-1001 too), or CSV with `id`.

    Raises:
      ValueError: the file is malformed, or studies are not in it.
    """
    rows = read_label_json(path) if path.suffix == '.json' else _binary(read_label_csv(path), uncertain)
    row_of = {study.id: label_row(study.id, rows) for study in studies}
    if missing := [name for name, row in row_of.items() if row is None]:
        raise ValueError(f'{path}: no labels of {summarise(missing, "study", "studies")}')
    return [_with_row(study, row_of[study.id]) for study in studies]


def label_from_mimic_table(studies: Sequence[Study], path: Path, uncertain: str) -> list[Study]:
    """Adds the labels of MIMIC-CXR-JPG's CheXpert or NegBio table; studies not in it are unlabelled, and logged."""
    rows = _binary(read_label_csv(path, 'study_id'), uncertain)
    rows = {name.removeprefix('s').removesuffix('.0'): row for name, row in rows.items()}  # s50..., 50....0: the same
    numbers = [study_number(study) for study in studies]
    if rows.keys().isdisjoint(numbers):
        raise ValueError(
            f'{path}: none of its {len(rows):,} rows is of one of the {len(set(numbers)):,} studies; its study_id '
            f'looks like {next(iter(rows), "nothing")}, theirs like {numbers[0]}'
        )
    if missing := [number for number in dict.fromkeys(numbers) if number not in rows]:
        LOG.warning('%s has no row, and so no labels, for %s', path.name, summarise(missing, 'study', 'studies'))
    unlabelled = (IGNORED,) * len(OBSERVATIONS)
    return [_with_row(study, rows.get(number, unlabelled)) for study, number in zip(studies, numbers, strict=True)]


def _binary(labels: Labels, uncertain: str) -> Labels:
    values = np.array(list(labels.values()), np.int8).reshape(-1, len(OBSERVATIONS))
    return dict(zip(labels, map(tuple, positives(values, uncertain).tolist()), strict=True))


def _with_row(study: Study, row: Sequence[int]) -> Study:
    return dataclasses.replace(study, labels=tuple(int(value) for value in row))
