"""The ways in which a file is damaged."""

from pathlib import Path


def flip(content: bytes) -> bytes:
    """Changes a bit in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :] if content else b'\0'


DAMAGE = {
    'cut': lambda content: content[: len(content) // 2],
    'emptied': lambda content: b'',
    'flipped': flip,
    'removed': lambda content: None,
}


def damage(path: Path, how: str) -> None:
    """Damages a file."""
    content = DAMAGE[how](path.read_bytes())
    path.unlink() if content is None else path.write_bytes(content)
