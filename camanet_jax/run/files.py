"""Files written whole or not at all, JSON lines that survive a kill, CSV tables. All text is UTF-8."""

import contextlib
import csv
import gzip
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

CsvRow = tuple[int, list[str]]  # the number of the row's last line, and its cells


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write to, renamed to `path` at the end: readers see the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.tmp')
    try:
        yield temporary
        with temporary.open('rb+') as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replaces a text file, without translating line ends."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8', newline='')


def read_text(path: Path) -> str:
    """Reads a text file, gzipped where its name ends in .gz, without its byte order mark.

    Raises:
      ValueError: it is missing, not gzipped, or not UTF-8; the message names the line.
    """
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == '.gz' else content
        return content.decode('utf-8-sig')
    except (gzip.BadGzipFile, EOFError) as error:
        raise ValueError(f'{path}: expected a gzipped file, got another or a broken one ({error})') from error
    except OSError as error:
        raise ValueError(f'{path}: cannot be read ({error.strerror})') from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b'\n') + 1
        raise ValueError(f'{path}: expected UTF-8, got other bytes in line {line}; save the file as UTF-8.') from error


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Replaces a JSON file."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False) + '\n')


def read_json(path: Path) -> Any:
    """Reads a JSON file; the ValueError for any other file names it."""
    text = read_text(path)
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f'{path}: not valid JSON ({error})') from error


def write_json_lines(path: Path, values: Iterable[Any]) -> None:
    """Replaces a file of JSON lines."""
    write_text(path, as_json_lines(values))


def append_json_lines(path: Path, values: Iterable[Any]) -> None:
    """Appends a line per value; they are on the disk when this returns."""
    with path.open('a', encoding='utf-8') as file:
        file.write(as_json_lines(values))
        file.flush()
        os.fsync(file.fileno())


def read_json_lines(path: Path) -> list[Any]:
    """Reads a value per line, except for a last line that a kill cut short."""
    *lines, _ = read_text(path).split('\n')
    return [json.loads(line) for line in lines]


def as_json_lines(values: Iterable[Any]) -> str:
    """Text with a line per value."""
    return ''.join(json.dumps(value, ensure_ascii=False) + '\n' for value in values)


def drop_torn_line(path: Path) -> None:
    """Removes a last line that a kill cut short, so that lines can be appended."""
    with path.open('rb+') as file:
        file.truncate(file.read().rfind(b'\n') + 1)


def read_csv(path: Path) -> tuple[list[str], Iterator[CsvRow]]:
    """Reads the header and the rows of a CSV, plain or gzipped, without empty lines.

    Raises:
      ValueError: it cannot be read (`read_text`), or is no CSV.
    """
    csv.field_size_limit(sys.maxsize)  # the length of a report has no limit
    rows = csv.reader(io.StringIO(read_text(path), newline=''))

    def numbered() -> Iterator[CsvRow]:
        try:
            yield from ((rows.line_num, cells) for cells in rows if cells)
        except csv.Error as error:
            raise ValueError(f'{path}: line {rows.line_num} is not CSV ({error})') from error

    return [name.strip() for name in next(rows, [])], numbered()


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
