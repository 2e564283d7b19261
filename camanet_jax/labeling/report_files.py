"""Reports to label: of a data folder, or of a CSV with the columns id and report."""

from collections.abc import Iterator
from pathlib import Path

from camanet_jax.data.schema import SPLITS, summarise
from camanet_jax.run.files import read_columns, read_json


def read_reports(source: str | Path, splits: tuple[str, ...] = SPLITS) -> dict[str, str]:
    """{id: report} of a data folder (its annotation.json), of an annotation file, or of a CSV, plain or gzipped.

    Args:
      splits: which splits of an annotation; a CSV has none and is read whole.

    Raises:
      ValueError: no such file, another layout, or an id used twice; problems are listed.
    """
    path = Path(source)
    path = path / 'annotation.json' if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f'{path}: no such file; expected a folder with annotation.json, or a CSV with id and report')
    pairs = annotated_reports(path, splits) if path.suffix == '.json' else csv_reports(path)
    reports, problems = {}, []
    for name, report in pairs:
        if reports.setdefault(name, report) != report:
            problems.append(f'{name} has two different reports')
    if problems or not reports:
        raise ValueError(f'{path}: {summarise(problems, "problem", "problems") if problems else "no reports"}')
    return reports


def annotated_reports(path: Path, splits: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Ids and reports of an R2Gen annotation. Its images need not be there, and studies may share an id."""
    try:
        annotation = read_json(path)
        for split in splits:
            for entry in annotation.get(split, []):
                yield str(entry['id']), entry['report']
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{path}: expected {{"train": [{{"id": .., "report": ..}}, ..], ..}} ({error!r})') from error


def csv_reports(path: Path) -> Iterator[tuple[str, str]]:
    """Ids and reports of a CSV; other columns are left alone."""
    return read_columns(path, ('id', 'report'))
