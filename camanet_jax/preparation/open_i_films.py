"""Open-i's films of IU X-Ray: found where they were unpacked, or unpacked from the archive."""

import logging
import os
import shutil
import tarfile
from collections.abc import Collection
from pathlib import Path
from typing import IO

from camanet_jax.preparation import disk
from camanet_jax.run.progress import Progress

LOG = logging.getLogger(__name__)

FILMS_ARCHIVE = 'NLMCXR_png.tgz'


def locate_films(source: Path, output: Path, wanted: Collection[str]) -> tuple[Path, dict[str, str]]:
    """Where the wanted films are: a folder, and the path in it of each film that exists.

    Films that lie below `source` are used in place. Otherwise the archive's are unpacked into `output`/images; films
    that an earlier run has unpacked are passed over.

    Args:
      source: holds NLMCXR_png.tgz, or its PNGs at any depth.
      output: the folder that is being prepared.
      wanted: ids of films, such as CXR54_IM-2145-1001.
    """
    found = _find_pngs(source, without=output)
    archive = source / FILMS_ARCHIVE
    if archive.is_file() and not found.keys() >= set(wanted):
        images_dir = output / 'images'
        _unpack(archive, images_dir, wanted)
        return images_dir, _find_pngs(images_dir)
    if not found and not archive.is_file():
        raise ValueError(f'{source}: expected {FILMS_ARCHIVE}, or its films (CXR*.png) in a folder')
    return source, found


def _find_pngs(folder: Path, without: Path | None = None) -> dict[str, str]:
    paths = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if without is None or Path(parent, name).resolve() != without.resolve()]
        relative = Path(parent).relative_to(folder)
        paths |= {Path(name).stem: str(relative / name) for name in files if name.endswith('.png')}
    return paths


def _unpack(archive: Path, images_dir: Path, wanted: Collection[str]) -> None:
    images_dir.mkdir(parents=True, exist_ok=True)
    missing = set(wanted) - _find_pngs(images_dir).keys()
    if not missing:
        return
    # PNGs do not shrink in an archive: its size is theirs.
    need = archive.stat().st_size * len(missing) // len(wanted)
    disk.require(need, images_dir, f'films unpacked from {archive.name}')
    with Progress(f'Unpacking {archive.name}', len(wanted), len(wanted) - len(missing)) as progress:
        try:
            with tarfile.open(archive, 'r|*') as members:
                for member in members:
                    film = Path(member.name)
                    if member.isfile() and film.suffix == '.png' and film.stem in missing:
                        _write(members.extractfile(member), images_dir / film.name)
                        progress.advance()
        except (tarfile.TarError, EOFError, OSError) as error:
            raise ValueError(f'{archive}: cannot be unpacked ({error})') from error


def _write(content: IO[bytes], path: Path) -> None:
    unfinished = path.with_name(f'{path.name}.unfinished')
    with unfinished.open('wb') as file:
        shutil.copyfileobj(content, file)
    os.replace(unfinished, path)
