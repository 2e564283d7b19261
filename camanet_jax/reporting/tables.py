"""Tables of text cells, as aligned lines for a terminal, as Markdown or as LaTeX."""

from collections.abc import Sequence


def text_table(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Lines for rows, of which the header is one; the first `left` columns are aligned left, the others right."""
    return ['  '.join(cells).rstrip() for cells in _aligned(rows, left)]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, *, padded: bool = True) -> str:
    """A Markdown table; `padded` aligns its columns in the text too."""
    cells = _aligned([header, *rows], left) if padded else [header, *rows]
    rule = [('-' if i < left else ':').rjust(len(cell) if padded else 3, '-') for i, cell in enumerate(cells[0])]
    return '\n'.join(f'| {" | ".join(line)} |' for line in (cells[0], rule, *cells[1:]))


def latex_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A LaTeX tabular with the rules of booktabs."""
    lines = [' & '.join(map(_latex, cells)) + r' \\' for cells in (header, *rows)]
    columns = 'l' * left + 'r' * (len(header) - left)
    body = [r'\toprule', lines[0], r'\midrule', *lines[1:], r'\bottomrule']
    return '\n'.join([rf'\begin{{tabular}}{{{columns}}}', *body, r'\end{tabular}'])


def _latex(cell: str) -> str:
    words = {'\\': r'\textbackslash{}', '~': r'\textasciitilde{}', '^': r'\textasciicircum{}'}
    return ''.join(words.get(each, f'\\{each}' if each in '&%$#_{}' else each) for each in cell)


def _aligned(rows: Sequence[Sequence[str]], left: int) -> list[list[str]]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = ['<' if i < left else '>' for i in range(len(widths))]
    return [[f'{cell:{side}{n}}' for cell, side, n in zip(row, sides, widths, strict=True)] for row in rows]
