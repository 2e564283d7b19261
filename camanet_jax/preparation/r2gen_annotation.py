"""R2Gen's annotation.json, wherever the file lies and whatever it is called."""

import json
from pathlib import Path

from camanet_jax.data.schema import SPLITS


def read_entries(path: Path) -> list[tuple[str, dict]]:
    """(split, entry) of every study, in the file's order, train first; entries have id, report and image_path.

    Raises:
      ValueError: the file is something else.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        entries = [(split, entry) for split in SPLITS for entry in content[split]]
        whole = all(entry['id'] and entry['report'] and entry['image_path'] for _, entry in entries)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not an annotation.json in R2Gen's layout ({error!r})") from error
    if not whole:
        raise ValueError(f'{path}: some studies have an empty id, report or image_path')
    return entries
