"""Tables of text cells: aligned lines for a terminal, Markdown for files."""

from collections.abc import Sequence


def text_table(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Lines of rows (the header is one) whose first `left` columns are aligned to the left, the others to the right."""
    return ['  '.join(cells).rstrip() for cells in _aligned(rows, left)]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, *, padded: bool = True) -> str:
    """A Markdown table; `padded` aligns its columns for readers of the text too."""
    cells = _aligned([header, *rows], left) if padded else [header, *rows]
    rule = [('-' if i < left else ':').rjust(len(cell) if padded else 3, '-') for i, cell in enumerate(cells[0])]
    return '\n'.join(f'| {" | ".join(line)} |' for line in (cells[0], rule, *cells[1:]))


def _aligned(rows: Sequence[Sequence[str]], left: int) -> list[list[str]]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
