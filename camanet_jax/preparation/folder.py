"""The study folder that a preparation writes: annotation.json, labels.json, dataset.json, images/."""

import collections
import dataclasses
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from camanet_jax.data.image_store import check_store
from camanet_jax.data.schema import SPLITS, Study, read_entries, read_json_object
from camanet_jax.labeling.label_files import write_label_json
from camanet_jax.run.files import write_json

LOG = logging.getLogger(__name__)

FACTS_FILE = 'dataset.json'  # the origin of a folder, and the form in which records keep its films


@dataclasses.dataclass(frozen=True)
class Collected:
    """The studies of a source."""

    studies: list[Study]
    images_dir: Path  # the folder that image paths are relative to
    facts: dict[str, Any]  # on their origin, for dataset.json


def check_output(source: Path, output: Path) -> None:
    """Refuses an output folder in which files would be replaced that no preparation wrote."""
    if output.resolve() == source.resolve():
        raise ValueError(f'{output}: expected another folder than --source, whose files would be replaced')
    if (output / 'annotation.json').exists() and not (output / FACTS_FILE).exists():
        raise ValueError(
            f'{output}: expected a new folder, or one that this command made; its annotation.json has no {FACTS_FILE} '
            'beside it and would be replaced. Give another --output'
        )


def check_link(output: Path, images_dir: Path) -> None:
    """Refuses an output folder whose `images` is a folder without the films."""
    link = output / 'images'
    if link.exists() and not link.is_symlink() and not link.samefile(images_dir):
        raise ValueError(
            f'{link}: expected no such folder, or the films to be in it; they are in {images_dir}. Give '
            'another --output'
        )


def read_r2gen_entries(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Reads (split, entry) of every study of R2Gen's annotation.json, in the file's order, train first.

    Raises:
      ValueError: the layout is another, or an entry lacks its id, report or image_path.
    """
    annotation = read_entries(path)
    try:
        entries = [(split, entry) for split in SPLITS for entry in annotation[split]]
        whole = all(entry['id'] and entry['report'] and entry['image_path'] for _, entry in entries)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: not an annotation.json in R2Gen's layout ({error!r})") from error
    if not whole:
        raise ValueError(f'{path}: some studies have an empty id, report or image_path')
    return entries


def write_study_folder(output: Path, collected: Collected, store: str) -> None:
    """Writes the files that `StudyFolder` reads; films stay where they are, behind a link `images`.

    Without labels, an existing labels.json of the same data set stays, such as one that label_reports.py has made.

    Args:
      output: the folder, made where it is missing.
      collected: the studies, of which all are labelled or none.
      store: one of `image_store.STORES`.

    Raises:
      ValueError: there is another folder `images`, or labels of another data set would stay; nothing was written.
    """
    check_store(store)
    check_link(output, collected.images_dir)
    labelled = collected.studies[0].labels is not None
    if not labelled:
        _check_kept_labels(output, collected.facts['data_set'])
    output.mkdir(parents=True, exist_ok=True)
    annotation = {split: [_entry(study) for study in collected.studies if study.split == split] for split in SPLITS}
    if labelled:
        write_label_json(output / 'labels.json', {study.id: study.labels for study in collected.studies})
    # Before the annotation, which is refused alone: a command that is stopped between them can be given again.
    write_json(output / FACTS_FILE, collected.facts | {'store': store, 'studies': count_splits(collected.studies)})
    write_json(output / 'annotation.json', annotation, indent=None)
    _link_images(output / 'images', collected.images_dir)


def count_splits(studies: Sequence[Study]) -> dict[str, int]:
    """Counts the studies of each split."""
    counts = collections.Counter(study.split for study in studies)
    return {split: counts[split] for split in SPLITS}


def _entry(study: Study) -> dict[str, Any]:
    entry = {'id': study.id, 'report': study.report, 'image_path': list(study.image_paths), 'split': study.split}
    return entry | ({'original_size': study.original_sizes} if study.original_sizes else {}) | dict(study.details)


def _check_kept_labels(output: Path, data_set: str) -> None:
    labels, before = output / 'labels.json', read_facts(output).get('data_set', data_set)
    if not labels.exists():
        return
    if before != data_set:
        raise ValueError(
            f'{labels}: expected labels of {data_set!r}, got those of {before!r}, which {FACTS_FILE} names. Give '
            'another --output, or --labels, or remove the file'
        )
    LOG.warning('%s is kept: these studies come without labels. --labels replaces it', labels)


def _link_images(link: Path, images_dir: Path) -> None:
    if link.is_symlink():
        link.unlink()
    if not link.exists():
        link.symlink_to(images_dir.resolve(), target_is_directory=True)


def read_store(folder: str | Path) -> str:
    """The form in which records keep the films of this folder: 'original', unless its `dataset.json` names another.

    Raises:
      ValueError: the file is no JSON object, or names an unknown store.
    """
    facts = read_facts(folder)
    try:
        return check_store(facts.get('store', 'original'))
    except ValueError as error:
        raise ValueError(f'{Path(folder) / FACTS_FILE}: {error}') from error


def read_facts(folder: str | Path) -> dict[str, Any]:
    """The facts in a folder's `dataset.json`; empty where there is none."""
    path = Path(folder) / FACTS_FILE
    return read_json_object(path) if path.exists() else {}


def require_space(needed: int, folder: Path, what: str) -> None:
    """Logs how many bytes `what` needs in `folder` and how many are free; raises ValueError for too few."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    LOG.info('Disk: %s need %s in %s, %s are free', what, size_text(needed), folder, size_text(free))
    if needed > free:
        sizes = f'{size_text(needed)}, and {size_text(free)} are free'
        raise ValueError(f'{folder}: {what} need {sizes}; make room, or give another folder')


def size_text(size: float) -> str:
    """A number of bytes in a fitting unit: '12.3 GB'."""
    units = ['B', 'kB', 'MB', 'GB', 'TB']
    while size >= 1000 and len(units) > 1:
        size /= 1000
        del units[0]
    return f'{size:.0f} B' if units[0] == 'B' else f'{size:.1f} {units[0]}'
