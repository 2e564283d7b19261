"""The study, and the community's annotation files read into studies.

The R2Gen layout of a data folder:
    annotation.json  {"train": [{"id", "report", "image_path": [..]}, ..], "val": .., "test": ..}
    labels.json      {study id (CXR54_IM-2145 stands for CXR54_IM-2145-1001 too): 14 times 0 or 1}
    images/          the files that `image_path` names, frontal view first
An entry may have "original_size", [[width, height] or null, ..], one for each of its files, for films that were resized
without regard to their aspect; and any of DETAILS.
"""

import collections
import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from camanet_jax.run.files import in_utf8, is_missing, read_json

# The order of the Y classes everywhere: alphabetical, as in the label files.
OBSERVATIONS = tuple(
    'Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,'
    'No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices'.split(',')
)
SPLITS = ('train', 'val', 'test')
PATIENT_COLUMNS = ('patient', 'patient_id', 'subject_id')
# Texts that a record keeps beside the report: its sections as written, and of the patient; `view` is one for each film.
DETAILS = ('findings', 'impression', 'indication', 'comparison', 'age', 'sex', 'view')
UNLABELLED = -1  # an observation that no loss and no score counts; all of a study without pseudo-labels

_PROBLEMS_SHOWN = 10
_PATIENT = re.compile(r'(?:^|/)p(\d{8})/|(?:^|/)(\d{8})_\d{3}\.')  # in paths of MIMIC-CXR and of NIH ChestX-ray14
_IU_XRAY_ID = re.compile(r'(CXR\d+)\w*_IM-\d+')


@dataclasses.dataclass(frozen=True)
class Study:
    """One examination: its views, its report and its pseudo-labels."""

    id: str
    split: str  # one of SPLITS
    report: str  # as written, not cleaned
    labels: tuple[int, ...] | None  # [Y] of 0, 1 or UNLABELLED in the order of OBSERVATIONS; None: all unlabelled
    image_paths: tuple[str, ...]  # [I] relative to the folder of images, in view order
    # [I] (width, height) of the films before their files were resized without regard to the aspect; None: unknown
    original_sizes: tuple[tuple[int, int] | None, ...] | None = None
    details: Mapping[str, str | Sequence[str]] = dataclasses.field(default_factory=dict)  # those of DETAILS it has


def read_annotation(data_dir: str | Path) -> list[Study]:
    """Reads and checks `annotation.json` and, where there is one, `labels.json`.

    Returns:
        The studies in the file's order, train first. Without labels.json their labels are None.

    Raises:
        ValueError: a file or a study is malformed, e.g. an empty report, a label row that is not 14 times 0, 1 or -1,
            or an id used twice. One error lists every problem.
    """
    annotation_path = Path(data_dir) / 'annotation.json'
    labels_path = Path(data_dir) / 'labels.json'
    annotation = read_entries(annotation_path)
    if unknown := sorted(set(annotation) - set(SPLITS)):
        raise ValueError(f'{annotation_path}: expected the splits {", ".join(SPLITS)}, got also {unknown}')
    label_rows = read_json_object(labels_path) if labels_path.exists() else None

    problems: list[str] = []
    studies = []
    for split in SPLITS:
        for number, entry in enumerate(annotation.get(split, [])):
            if faults := _entry_problems(entry, split) or _label_problems(entry, label_rows):
                problems += [f'{split}[{number}]: {fault}' for fault in faults]
            else:
                studies.append(_study(entry, split, label_rows))
    counts = collections.Counter(study.id for study in studies)
    problems += [f'study id {name} is used {n} times' for name, n in counts.items() if n > 1]
    if problems:
        raise ValueError(f'{annotation_path}: {summarise(problems, "problem", "problems")}')
    return studies


def summarise(items: list[str], singular: str, plural: str) -> str:
    """Counts all items and names the first ten: '12 problems: a; b; ... and 2 more'."""
    noun = singular if len(items) == 1 else plural
    rest = len(items) - _PROBLEMS_SHOWN
    more = f'; and {rest} more' if rest > 0 else ''
    return f'{len(items)} {noun}: {"; ".join(items[:_PROBLEMS_SHOWN])}{more}'


def read_entries(path: Path) -> dict[str, list[Any]]:
    """Reads the entries of every split of an annotation.json, unchecked.

    Raises:
        ValueError: the file is missing, no JSON object, or a split is not a list.
    """
    annotation = read_json_object(path)
    for split, entries in annotation.items():
        if not isinstance(entries, list):
            raise ValueError(f'{path}: "{split}" must be a list of studies, got {type(entries).__name__}')
    return annotation


def annotated_reports(path: Path, splits: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields ids and reports of an annotation.json. Images may be missing, and studies may share an id."""
    annotation = read_entries(path)
    try:
        for split in splits:
            for entry in annotation.get(split, []):
                yield str(entry['id']), entry['report']
    except (KeyError, TypeError) as error:
        raise ValueError(f'{path}: expected {{"train": [{{"id": .., "report": ..}}, ..], ..}} ({error!r})') from error


def annotated_patients(path: Path) -> dict[str, str]:
    """The patients of an annotation.json's studies by id, where they are known."""
    entries = itertools.chain.from_iterable(read_entries(path).values())
    return {str(entry['id']): patient for entry in entries if (patient := patient_of(entry))}


def read_json_object(path: Path) -> dict[str, Any]:
    """Reads a JSON object; the ValueError where there is none names the file."""
    if not path.is_file():
        raise ValueError(f'{path}: no such file; data_dir must hold annotation.json and images/')
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f'{path}: expected a JSON object, got {type(content).__name__}')
    return content


def _entry_problems(entry: Any, split: str) -> list[str]:
    if not isinstance(entry, dict):
        return [f'expected an object with id, report, image_path; got {type(entry).__name__}']
    if not _is_text(entry.get('id')):
        return [f'"id" must be a non-empty string, got {entry.get("id")!r}']
    problems = []
    if not _is_text(entry.get('report')) or is_missing(entry['report']):
        problems.append(f'the report is empty or no text ({entry.get("report")!r}); write one or leave the study out')
    paths = entry.get('image_path')
    if not (isinstance(paths, list) and paths and all(_is_text(path) for path in paths)):
        problems.append(f'"image_path" must be a list of file names, got {paths!r}')
    elif not _are_sizes(entry.get('original_size'), len(paths)):
        got = entry['original_size']
        problems.append(f'"original_size" must be [width, height] or null for each of {len(paths)} images, got {got!r}')
    problems += [
        f'"{name}" must be {"a text for each image" if name == "view" else "a text"}, got {entry[name]!r}'
        for name in DETAILS
        if entry.get(name) is not None and not _is_detail(name, entry[name], len(paths or ()))
    ]
    if not in_utf8(''.join(map(str, [*entry.values(), *(paths or ())]))):
        problems.append('expected texts and names in UTF-8, got half a character; correct it, or rename the film')
    if entry.get('split', split) != split:
        problems.append(f'listed under "{split}" but its "split" is {entry["split"]!r}')
    return [f'study {entry["id"]}: {problem}' for problem in problems]


def as_detail(name: str, value: Any, as_text: Callable[[Any], str] = str) -> str | tuple[str, ...]:
    """An entry's value of one of DETAILS: a text, or for `view` a text for each film."""
    return tuple(map(as_text, value if isinstance(value, list) else [value])) if name == 'view' else as_text(value)


def _is_detail(name: str, value: Any, images: int) -> bool:
    values = value if name == 'view' and isinstance(value, list) else [value]
    return all(isinstance(each, str | int | float) for each in values) and (name != 'view' or len(values) == images)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are_sizes(sizes: Any, images: int) -> bool:
    if not isinstance(sizes, list):
        return sizes is None
    return len(sizes) == images and all(
        size is None or (isinstance(size, list) and len(size) == 2 and all(type(n) is int and n > 0 for n in size))
        for size in sizes
    )


def _label_problems(entry: dict[str, Any], rows: dict[str, Any] | None) -> list[str]:
    if rows is None:
        return []
    row = label_row(entry['id'], rows)
    if row is None:
        problem = 'no row in labels.json'
    elif not isinstance(row, list) or len(row) != len(OBSERVATIONS):
        got = f'{len(row)} values' if isinstance(row, list) else repr(row)
        problem = f'expected {len(OBSERVATIONS)} values, one per observation, got {got}'
    elif any(value not in (0, 1, UNLABELLED) for value in row):
        problem = f'expected 0, 1 or {UNLABELLED} (not to be counted), got {row}'
    else:
        return []
    return [f'labels of study {entry["id"]}: {problem}']


def label_row(study_id: str, rows: Mapping[str, Any], *, open_i: bool = False) -> Any:
    """A study's row in a label file: under its id or, for IU X-Ray's ids, up to the study's number.

    Args:
        open_i: Try Open-i's report number too: CXR54 for CXR54_IM-2145-1001.

    Returns:
        The row, or None where there is none.
    """
    iu_xray = _IU_XRAY_ID.match(study_id)
    names = [study_id, *([iu_xray[0], *([iu_xray[1]] if open_i else [])] if iu_xray else [])]
    return next((rows[name] for name in names if name in rows), None)


def patient_of(entry: Mapping[str, Any]) -> str | None:
    """The patient that an entry or a row names in one of PATIENT_COLUMNS, else in its "image_path"; None: none."""
    given = next((str(entry[name]) for name in PATIENT_COLUMNS if entry.get(name) is not None), '')
    if given and not is_missing(given):
        return given
    paths = entry.get('image_path') or ()
    found = (_PATIENT.search(str(path)) for path in ([paths] if isinstance(paths, str) else paths))
    return next((match[1] or match[2] for match in found if match), None)


def check_labels(studies: Sequence[Study], source: object) -> None:
    """Raises ValueError where several studies have labels that tell none of them from another."""
    rows = {study.labels for study in studies}
    if len(studies) > 1 and len(rows) == 1 and None not in rows:
        positive = [name for name, value in zip(OBSERVATIONS, rows.pop(), strict=True) if value == 1]
        raise ValueError(
            f'{source}: all {len(studies):,} studies have the same labels ({", ".join(positive) or "none positive"}), '
            'from which nothing can be learned; is it the table of these reports, with its columns in order?'
        )


def _study(entry: dict[str, Any], split: str, rows: dict[str, Any] | None) -> Study:
    labels = None if rows is None else tuple(int(v) for v in label_row(entry['id'], rows))
    sizes = entry.get('original_size')
    sizes = None if sizes is None else tuple(size and tuple(size) for size in sizes)
    details = {name: as_detail(name, entry[name]) for name in DETAILS if entry.get(name)}
    return Study(entry['id'], split, entry['report'], labels, tuple(entry['image_path']), sizes, details)
