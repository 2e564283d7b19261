"""`dataset.json` of a prepared folder: what it was made of, and how its films are stored."""

import json
from pathlib import Path
from typing import Any

from camanet_jax.data.image_store import check_store
from camanet_jax.labeling.label_files import replaced

NAME = 'dataset.json'


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Writes the folder's facts; `store` is one of them."""
    with replaced(folder / NAME) as file:
        json.dump(facts, file, indent=2)
        file.write('\n')


def read_store(folder: str | Path) -> str:
    """How films of this folder are to be stored in records; 'original' where no `dataset.json` says otherwise.

    Raises:
      ValueError: the file is no JSON object, or names an unknown store.
    """
    path = Path(folder) / NAME
    if not path.exists():
        return 'original'
    try:
        return check_store(json.loads(path.read_text(encoding='utf-8')).get('store', 'original'))
    except (AttributeError, ValueError) as error:
        raise ValueError(f'{path}: {error}') from error
