"""Own data: all rows are checked in one pass, then made into studies."""

import collections
import concurrent.futures
import dataclasses
import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from camanet_jax.data.image_files import DamagedImageError, read_grey
from camanet_jax.data.schema import OBSERVATIONS, SPLITS, Study, summarise
from camanet_jax.labeling.label_files import VALUES, positives
from camanet_jax.preparation.folder import Collected, check_link, count_splits
from camanet_jax.preparation.own_folder import Row, read_rows
from camanet_jax.run.files import is_missing, read_columns, write_json
from camanet_jax.run.progress import tracked
from camanet_jax.run.workers import usable_cores

LOG = logging.getLogger(__name__)

Problems = dict[str, list[str]]  # from the kind of a fault to its cases


def find_problems(rows: Sequence[Row], images_dir: Path, patient_rule: str, decode_images: bool) -> Problems:
    """Checks all rows (`own_folder.read_rows`) for all faults; kinds of fault that do not occur are left out.

    Args:
      images_dir: the folder that image paths are relative to.
      patient_rule: a regular expression that finds the patient in a study id, as its first group or as a whole, for
        data without a patient column.
      decode_images: decode every image instead of only looking for its file.
    """
    problems = {
        'malformed entries': [f'{row.where}: {fault}' for row in rows for fault in _malformations(row)],
        'empty reports': [_name(row) for row in rows if is_missing(row.report) and not row.fault],
        'duplicate ids': _duplicate_ids(rows),
        'patients in two splits': _split_patients(rows, patient_rule),
        'label rows of the wrong width or value': _label_faults(rows),
        **_image_faults(rows, images_dir, decode_images),
    }
    return {kind: cases for kind, cases in problems.items() if cases}


def patient_of(row: Row, rule: str) -> str | None:
    """The patient's name, from the patient column or else by the rule; None where it is unknown."""
    if row.patient:
        return row.patient
    match = re.search(rule, row.id) if rule else None
    return match[1 if match.re.groups else 0] if match else None


def label_fault(labels: object) -> str | None:
    """The fault of a row of labels; None where there is none."""
    if not isinstance(labels, list | tuple):
        return f'expected {len(OBSERVATIONS)} values, got {labels!r}'
    if not labels:
        return 'no row'
    if len(labels) != len(OBSERVATIONS):
        return f'expected {len(OBSERVATIONS)} values, got {len(labels)}'
    unknown = sorted({str(value) for value in labels} - set(VALUES))
    return f'expected 1, 0, -1 or empty, got {", ".join(unknown)}' if unknown else None


def _name(row: Row) -> str:
    return f'{row.id or "a study without id"} ({row.where})'


def _malformations(row: Row) -> list[str]:
    if row.fault:
        return [row.fault]
    faults = []
    if not row.id:
        faults.append('no id')
    if row.split not in SPLITS:
        faults.append(f'expected split as one of {", ".join(SPLITS)}, got {row.split!r}')
    if not row.image_paths or not all(row.image_paths):
        faults.append('no image path')
    elif len(row.details.get('view', row.image_paths)) != len(row.image_paths):
        faults.append(f'expected a view for each of {len(row.image_paths)} images, got {list(row.details["view"])}')
    return faults


def _duplicate_ids(rows: Sequence[Row]) -> list[str]:
    entries = collections.defaultdict(list)
    for row in rows:
        if row.id:
            entries[row.id].append(f'{row.split} {row.where}')
    return [f'{name} in {", ".join(where)}' for name, where in entries.items() if len(where) > 1]


def _split_patients(rows: Sequence[Row], rule: str) -> list[str]:
    splits = collections.defaultdict(dict)
    unknown = []
    for row in rows:
        patient = patient_of(row, rule)
        if patient:
            splits[patient].setdefault(row.split, row.id)
        elif rule and row.id:
            unknown.append(f'{_name(row)}: the patient rule finds nothing in the id')
    several = [
        f'patient {patient}: ' + ', '.join(f'{split} ({name})' for split, name in study_of.items())
        for patient, study_of in splits.items()
        if len(study_of) > 1
    ]
    return several + unknown


def _label_faults(rows: Sequence[Row]) -> list[str]:
    if all(row.labels is None for row in rows):
        return []
    faults = ((row, label_fault(row.labels)) for row in rows if not row.fault)
    return [f'{_name(row)}: {fault}' for row, fault in faults if fault]


def _image_faults(rows: Sequence[Row], images_dir: Path, decode: bool) -> Problems:
    row_of = {path: row for row in rows for path in row.image_paths if path}
    missing = [path for path in row_of if not (images_dir / path).is_file()]
    existing = sorted(row_of.keys() - set(missing)) if decode else []
    with concurrent.futures.ThreadPoolExecutor(usable_cores()) as pool:
        faults = pool.map(lambda path: _decoding_fault(images_dir / path), existing)
        faults = zip(existing, tracked(faults, 'Checking images', len(existing)), strict=True)
        unreadable = [f'{_name(row_of[path])}: {fault}' for path, fault in faults if fault]
    return {'missing files': [f'{_name(row_of[path])}: {path}' for path in missing], 'unreadable images': unreadable}


def _decoding_fault(path: Path) -> str | None:
    try:
        read_grey(path, str(path))
    except DamagedImageError as error:
        return str(error)
    return None


VALIDATION_FILE = 'validation.json'
SIZE_COLUMNS = ('study', 'view_index', 'dicom_columns', 'dicom_rows')


def collect_own(
    source: Path,
    output: Path,
    *,
    table: Path | None = None,
    patient_rule: str = '',
    decode_images: bool = True,
    uncertain: str = 'negative',
) -> Collected:
    """Collects the studies of a folder that has no faults.

    Args:
      source: a folder with annotation.json or a CSV (`own_folder.read_rows`), and the images, in `images` or beside it.
      output: the folder for `validation.json`, every fault by kind.
      table: the annotation.json or CSV, where it lies elsewhere or there are several.
      patient_rule, decode_images: see `find_problems`.
      uncertain: the policy for uncertain labels (`label_files.UNCERTAIN_POLICIES`).

    Raises:
      ValueError: there are faults; all are listed. Or the output has another folder `images`, or the rule is none.
    """
    try:
        re.compile(patient_rule)
    except re.error as error:
        raise ValueError(f'expected a regular expression as --patient_rule, got {patient_rule!r}: {error}') from error
    rows = read_rows(source, table)
    if not rows:
        raise ValueError(f'{table or source}: no studies in it')
    images_dir = _find_images(rows, source)
    check_link(output, images_dir)  # before the films are decoded, which takes long
    problems = find_problems(rows, images_dir, patient_rule, decode_images)
    write_json(output / VALIDATION_FILE, problems)
    if problems:
        count = sum(map(len, problems.values()))
        lines = [f'  {kind}: {summarise(cases, "case", "cases")}' for kind, cases in problems.items()]
        raise ValueError(
            f'{table or source}: {count} faults in {len(rows)} studies; all are in {output / VALIDATION_FILE}\n'
            + '\n'.join(lines)
        )
    studies = _studies(rows, uncertain)
    _log_summary(rows, studies, patient_rule, decode_images)
    return Collected(studies, images_dir, {'data_set': source.resolve().name})


def with_original_sizes(studies: Sequence[Study], path: Path) -> list[Study]:
    """Adds the sizes that films had before they were resized without regard to the aspect.

    Args:
      studies: those of `collect_own`.
      path: a CSV with `SIZE_COLUMNS` and a row for each film: the study's id, the film's index in it from 0, and the
        original's width and height in pixels, both empty where they are unknown.

    Raises:
      ValueError: it is not such a table, or films have no row.
    """
    sizes = {(study, view): (columns, rows) for study, view, columns, rows in read_columns(path, SIZE_COLUMNS)}
    films = [(study.id, str(view)) for study in studies for view in range(len(study.image_paths))]
    if missing := [f'{study} {view}' for study, view in films if (study, view) not in sizes]:
        raise ValueError(
            f'{path}: expected a row (study, view_index) for each film; '
            f'{summarise(missing, "film has none", "films have none")}'
        )
    if wrong := [f'{study} {view}: {"x".join(size)}' for (study, view), size in sizes.items() if not _is_size(size)]:
        raise ValueError(
            f'{path}: expected dicom_columns and dicom_rows above 0, or both empty; '
            f'{summarise(wrong, "film has other", "films have other")}'
        )
    sizes = {film: tuple(map(int, size)) if all(size) else None for film, size in sizes.items()}

    def sizes_of(study: Study) -> tuple[tuple[int, int] | None, ...]:
        return tuple(sizes[study.id, str(view)] for view in range(len(study.image_paths)))

    return [dataclasses.replace(study, original_sizes=sizes_of(study)) for study in studies]


def _is_size(cells: tuple[str, str]) -> bool:
    return not any(cells) or all(cell.isdecimal() and int(cell) > 0 for cell in cells)


def _find_images(rows: Sequence[Row], source: Path) -> Path:
    """The folder `source`/images if at least one image path leads to a file from there, else `source`."""
    inner = source / 'images'
    return inner if any((inner / path).is_file() for row in rows for path in row.image_paths) else source


def _studies(rows: Sequence[Row], uncertain: str) -> list[Study]:
    labels = [None] * len(rows)
    if rows[0].labels is not None:
        values = np.array([[VALUES[str(value)] for value in row.labels] for row in rows], np.int8)
        labels = [tuple(row) for row in positives(values, uncertain).tolist()]
    studies = [
        Study(row.id, row.split, row.report, label, row.image_paths, details=row.details)
        for row, label in zip(rows, labels, strict=True)
    ]
    return sorted(studies, key=lambda study: SPLITS.index(study.split))


def _log_summary(rows: Sequence[Row], studies: Sequence[Study], patient_rule: str, decode_images: bool) -> None:
    sizes = ', '.join(f'{count} {split}' for split, count in count_splits(studies).items())
    images = sum(len(study.image_paths) for study in studies)
    decoded = 'all decoded' if decode_images else 'not decoded'
    labels = 'unlabelled' if studies[0].labels is None else 'labelled'
    names = {patient_of(row, patient_rule) for row in rows}
    patients = f'{len(names)} patients, each in one split'
    if None in names:
        patients = 'patients unknown, so not compared between splits (a column patient, or --patient_rule)'
    LOG.info('No faults in %d studies (%s) with %d images (%s)', len(studies), sizes, images, decoded)
    LOG.info('The studies are %s; %s', labels, patients)
