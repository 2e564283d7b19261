"""The films that records were made from, by which records of films that have changed since are told from current ones.

films.jsonl, beside the records: `film`, `state` (bytes, times of the last change of content and of the file, in
nanoseconds), `sha256` of the content and, where it cannot be decoded, `fault`.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from camanet_jax.data.image_files import DamagedImageError
from camanet_jax.data.image_store import stored_bytes
from camanet_jax.run.files import read_json_lines, write_json_lines

LOG = logging.getLogger(__name__)

FILMS = 'films.jsonl'


def read_film(images_dir: Path, film: str, store: str) -> tuple[bytes, dict[str, Any]]:
    """A film as it is kept in records, and its line of the index; a damaged one is kept as it is."""
    path = images_dir / film
    line = {'film': film, 'state': state_of(path)}
    content = path.read_bytes()
    line['sha256'] = hashlib.sha256(content).hexdigest()
    try:
        return stored_bytes(content, film, store), line
    except DamagedImageError as error:
        return content, line | {'fault': str(error)}


def state_of(path: Path) -> list[int]:
    """The parts of a file's state that change with its content: size in bytes and two times in nanoseconds."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def unchanged(index: Path, images_dir: Path) -> bool:
    """Tells whether every film that still exists has the content that its line names.

    Films are read only where their state differs, as after a copy of the folder; their new state is then noted.
    """
    lines, touched = read_json_lines(index), False
    for line in lines:
        try:
            state = state_of(images_dir / line['film'])
        except FileNotFoundError:
            continue
        if state == line['state']:
            continue
        content = (images_dir / line['film']).read_bytes() if state[0] == line['state'][0] else b''
        if hashlib.sha256(content).hexdigest() != line['sha256']:
            return False
        line['state'], touched = state, True
    if touched:
        try:
            write_json_lines(index, lines)
        except OSError:
            LOG.info('%s cannot be written: films are compared by their content at every start', index)
    return True


def content_digest(lines: Iterable[Mapping[str, Any]]) -> str:
    """One value for the content of all films of an index."""
    contents = sorted(f'{line["film"]} {line["sha256"]}\n' for line in lines)
    return hashlib.sha256(''.join(contents).encode('utf-8', 'surrogateescape')).hexdigest()[:16]


def faults(lines: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The reasons why films of an index cannot be decoded, by film."""
    return {line['film']: line['fault'] for line in lines if 'fault' in line}
