"""Files written whole or not at all, JSON lines that survive a kill, CSV tables. All text is UTF-8."""

import contextlib
import csv
import errno
import fcntl
import gzip
import io
import json
import logging
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)

_GZIP = b'\x1f\x8b'
_MARKS = {b'\xff\xfe\0\0': 'utf-32', b'\0\0\xfe\xff': 'utf-32', b'\xff\xfe': 'utf-16', b'\xfe\xff': 'utf-16'}
_SEEN = 400  # bytes of which every other one tells UTF-16 without a mark
_MISSING = ('', 'nan', 'none', 'null', 'n/a', '<na>')
_SURROGATE = re.compile('[\ud800-\udfff]')

REMEDIES = {  # of what the operating system refuses
    errno.ENOSPC: 'make room on the disk, or choose another folder',
    errno.EFBIG: 'allow larger files (ulimit -f), or choose another disk',
    errno.EDQUOT: 'make room in your quota, or choose another folder',
    errno.EROFS: 'choose a folder that can be written (--workdir, --output, --config.cache_dir)',
    errno.EACCES: 'give yourself the right to it, or choose another folder',
    errno.EPERM: 'give yourself the right to it, or choose another folder',
    errno.EISDIR: 'choose a name that no folder has',
    errno.ENOTDIR: 'choose a folder that is not below a file',
    errno.EEXIST: 'choose a folder that is not below a file',
    errno.EIO: 'look at the disk (dmesg)',
    errno.EMFILE: 'allow more open files (ulimit -n 4096)',
    errno.ENFILE: 'close other programs that hold many files open',
    errno.ENOMEM: 'free memory: close other programs',
    errno.EAGAIN: 'allow more processes (ulimit -u), or close other programs',
    errno.ENAMETOOLONG: 'choose a shorter name',
}

# Refusals that say nothing of the file: another moment, or another user, may read it.
PASSING = errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EACCES, errno.EPERM

CsvRow = tuple[int, list[str]]  # the number of the row's last line, and its cells


def os_error_in_words(error: OSError) -> str:
    """Path, reason and remedy of what the operating system refused."""
    files = ' -> '.join(str(name) for name in (error.filename, error.filename2) if name is not None)
    reason = error.strerror or str(error) or type(error).__name__
    remedy = REMEDIES.get(error.errno, 'CAMANET_TRACE=1 in the environment shows where')
    # What this program writes names its file; processes make theirs in shared memory.
    files = files or ('/dev/shm' if error.errno == errno.ENOSPC else 'a file')
    return f'{files}: {reason}; {remedy}. Files that were finished are whole, and the same command resumes.'


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Adds the path to errors raised while writing, such as a full disk's, which name none."""
    try:
        yield
    except OSError as error:
        if error.filename in (None, str(_temporary(path))):
            error.filename = str(path)
        raise
    except RuntimeError as error:  # of ArrayRecord
        if number := refusal(error):
            raise OSError(number, os.strerror(number), str(path)) from error
        raise


def refusal(error: Exception) -> int | None:
    """The operating system's error number behind a library's error, which tells it in words only."""
    return next((number for number in REMEDIES if os.strerror(number).lower() in str(error).lower()), None)


def _temporary(path: Path) -> Path:
    return path.with_name(f'.{path.name}.tmp')


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write to, renamed to `path` at the end: readers see the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        with naming(path):
            yield temporary
            with temporary.open('rb+') as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def sole_writer(path: Path, doing: str, *, a_file: bool = False) -> Iterator[None]:
    """Keeps other processes from writing there; the lock is released when this one exits, however it exits.

    Args:
      path: a folder, which is made, or with `a_file` a file, which need not exist; its lock lies beside it.
      doing: what it does there, e.g. 'training'.

    Raises:
      ValueError: another process does.
    """
    lock = path.with_name(f'.{path.name}.lock') if a_file else path / '.lock'
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f'{path} is in use: another process is {doing} there. Wait for it to end, or choose another path.'
            ) from None
        except OSError as error:
            LOG.warning('%s cannot be locked (%s): start no second run there.', path, error)
        yield


def write_text(path: Path, text: str) -> None:
    """Replaces a text file, without translating line ends."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8', newline='')


def read_text(path: Path) -> str:
    """Reads a text file, without its byte order mark.

    Raises:
      ValueError: it cannot be read, is in another encoding or cut short, or is not text.
    """
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if content.startswith(_GZIP) else content
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f'{path}: a gzipped file that was cut short or damaged ({error}); fetch it again') from error
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror})') from error
    encoding = _encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b'\n') + 1
        raise ValueError(
            f'{path}: expected {encoding.removesuffix("-sig").upper()}, got other bytes in line {line}, as in '
            f'Windows-1252, which Excel writes; convert it (iconv -f WINDOWS-1252 -t UTF-8), or save it as UTF-8'
        ) from error
    if '\0' in text:
        line = text[: text.index('\0')].count('\n') + 1
        raise ValueError(f'{path}: expected text, got a NUL character in line {line}; the file is damaged, or not text')
    if path.suffix == '.gz' and text.lstrip().startswith('<'):
        raise ValueError(f'{path}: expected a table, got a web page, such as one that asks to log in; fetch it again')
    return text


def _encoding(content: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return encoding
    even, odd = content[:_SEEN:2], content[1:_SEEN:2]
    if odd and not any(odd) and all(even):
        return 'utf-16-le'
    return 'utf-16-be' if even and not any(even) and all(odd) else 'utf-8-sig'


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Replaces a JSON file."""
    write_text(path, _as_json(value, indent) + '\n')


def read_json(path: Path) -> Any:
    """Reads a JSON file; raises ValueError, which names it, where it cannot."""
    text = read_text(path)
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path}: {"not valid JSON" if text.strip() else "the file is empty"} ({error})') from error


def read_record(path: Path) -> dict[str, Any]:
    """Reads a JSON object that this program wrote; raises ValueError, which names the file, where it is another."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f'{path}: expected a JSON object, got {type(content).__name__}; the file is damaged')
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f'{next(name for name in names if names.count(name) > 1)!r} occurs twice')
    return content


def write_json_lines(path: Path, values: Iterable[Any]) -> None:
    """Replaces a file of JSON lines."""
    write_text(path, as_json_lines(values))


def append_json_lines(path: Path, values: Iterable[Any]) -> None:
    """Appends a line per value; they are on the disk when this returns."""
    with naming(path), path.open('a', encoding='utf-8') as file:
        file.write(as_json_lines(values))
        file.flush()
        os.fsync(file.fileno())


def read_json_lines(path: Path, fields: Sequence[str] = (), head: int = 0) -> list[Any]:
    """Reads a value per line, except for a last line that a kill cut short; a broken one is named in the error.

    Args:
      path: the file.
      fields: names that each line must have, where lines are objects.
      head: the number of lines at the start that need not have them.
    """
    *lines, _ = read_text(path).split('\n')
    values = []
    for number, line in enumerate(lines, 1):
        try:
            values.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f'{path}: line {number} is not JSON ({error}); remove the line') from error
        if fields and number > head and not (isinstance(values[-1], dict) and values[-1].keys() >= set(fields)):
            raise ValueError(f'{path}: line {number} is damaged: expected {", ".join(fields)} in it; remove the line')
    return values


def as_json_lines(values: Iterable[Any]) -> str:
    """Text with a line per value."""
    return ''.join(_as_json(value) + '\n' for value in values)


def _as_json(value: Any, indent: int | None = None) -> str:
    """JSON with letters unescaped, but for those that UTF-8 cannot encode, as in file names of other encodings."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return text if in_utf8(text) else json.dumps(value, indent=indent)


def drop_torn_line(path: Path) -> None:
    """Removes a last line that a kill cut short, so that lines can be appended."""
    with path.open('rb+') as file:
        file.truncate(file.read().rfind(b'\n') + 1)


def read_csv(path: Path, text: str | None = None) -> tuple[list[str], Iterator[CsvRow]]:
    """Reads the header and the rows of a CSV, plain or gzipped, without empty lines.

    Cells end at commas or, in a table whose header has none, at the semicolons or tabs that Excel writes in its place.

    Args:
      text: what the file holds, where it has been read.

    Raises:
      ValueError: it cannot be read (`read_text`), or is no CSV.
    """
    csv.field_size_limit(sys.maxsize)  # the length of a report has no limit
    text = read_text(path) if text is None else text
    first = re.split('[\r\n]', text, maxsplit=1)[0]
    delimiter = next((mark for mark in ';\t' if mark in first and ',' not in first), ',')
    rows = csv.reader(io.StringIO(text, newline=''), delimiter=delimiter, strict=True)  # a lost quote swallows no rows

    def numbered() -> Iterator[CsvRow]:
        begin = rows.line_num + 1
        try:
            for cells in rows:
                if any(cells) or len(cells) == 1:  # Excel leaves rows of commas behind a table
                    yield rows.line_num, cells
                begin = rows.line_num + 1
        except csv.Error as error:
            raise ValueError(
                f'{path}: the row that begins in line {begin} is not CSV ({error}); a quote (") may be missing there, '
                'and quotes inside quoted cells are doubled'
            ) from error

    _, header = next(numbered(), (1, []))
    return [name.strip() for name in header], numbered()


def read_columns(path: Path, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yields the named cells of every row of a CSV.

    Raises:
      ValueError: a column is missing or repeated, or a row is wider or narrower than the header.
    """
    header, rows = read_csv(path)
    indices = column_indices(path, header, names)
    for line, cells in rows:
        if (width := len(cells)) != len(header):
            raise ValueError(f'{path}: line {line} has {width} of {len(header)} cells; quote cells that hold commas')
        yield tuple(cells[index] for index in indices)


def column_indices(path: Path, header: Sequence[str], names: Sequence[str]) -> list[int]:
    """The indices of the named columns, which may stand in any order."""
    if wrong := [name for name in names if header.count(name) != 1]:
        raise ValueError(
            f'{path}: expected one column of each name {", ".join(names)}; missing or repeated: '
            f'{", ".join(wrong)}. Its columns are {", ".join(header) or "none"}.'
        )
    return [header.index(name) for name in names]


def write_columns(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Replaces a table of named columns: Parquet where the name ends so, else CSV."""
    if path.suffix != '.parquet':
        return write_text(path, as_csv([list(columns), *zip(*columns.values(), strict=True)]))
    import pyarrow.parquet  # a second to import, and most commands write none

    with replacing(path) as temporary:
        pyarrow.parquet.write_table(pyarrow.table({name: list(column) for name, column in columns.items()}), temporary)


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """Reads the rows of a Parquet table; raises ValueError where it is none."""
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_table(path).to_pylist()
    except pyarrow.ArrowException as error:
        raise ValueError(f'{path}: expected a Parquet table ({error})') from error


def as_csv(rows: Iterable[Sequence[Any]]) -> str:
    """CSV text of rows, the header first."""
    file = io.StringIO()
    csv.writer(file, lineterminator='\n').writerows(rows)
    return file.getvalue()


def in_utf8(text: str) -> bool:
    """Tells whether UTF-8 can encode the text; it cannot where file names in other encodings left half characters."""
    return text.isascii() or not _SURROGATE.search(text)


def is_missing(text: str) -> bool:
    """Tells whether a text is empty, or what tables write into an empty cell: nan, None, null."""
    return text.strip().lower() in _MISSING
