"""Disk need, said before anything is written."""

import logging
import shutil
from pathlib import Path

LOG = logging.getLogger(__name__)


def require(needed: int, folder: Path, what: str) -> None:
    """Logs how many bytes `what` needs in `folder` and how many are free.

    Raises:
      ValueError: there are too few.
    """
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    LOG.info('Disk: %s need %s in %s, %s are free', what, as_text(needed), folder, as_text(free))
    if needed > free:
        raise ValueError(
            f'{folder}: {what} need {as_text(needed)}, and {as_text(free)} are free; make room, or give another folder'
        )


def as_text(size: float) -> str:
    """Bytes in the unit that suits them: '12.3 GB'."""
    units = ['B', 'kB', 'MB', 'GB', 'TB']
    while size >= 1000 and len(units) > 1:
        size /= 1000
        del units[0]
    return f'{size:.0f} B' if units[0] == 'B' else f'{size:.1f} {units[0]}'
