"""One offline page of a leader board: its tables, and the reports of all systems side by side, study by study."""

from collections.abc import Mapping, Sequence

import numpy as np

from camanet_jax.reporting.score_tables import table
from camanet_jax.reporting.web_page import escape, fill_template, json_text, rounded

Table = tuple[Sequence[str], Sequence[Sequence[str]]]  # header, rows


def board_page(
    tables: Sequence[Table],
    ids: Sequence[str],
    references: Sequence[str],
    reports: Mapping[str, Sequence[str]],
    per_study: Mapping[str, Mapping[str, np.ndarray]],
) -> str:
    """The page as HTML.

    Args:
      tables: of the board, and of the tests.
      reports: of each system, in the order of the studies.
      per_study: scores by system and name, in the order of the studies.
    """
    board, tests = (
        table(caption, header[1:], [(row[0], list(map(escape, row[1:]))) for row in rows])
        for caption, (header, rows) in zip(('Systems', f'Each system {tables[1][0][0]}'), tables, strict=True)
    )
    data = {
        'ids': list(ids),
        'references': list(references),
        'systems': [
            {
                'name': name,
                'reports': list(texts),
                'scores': {score: rounded(values) for score, values in per_study[name].items()},
            }
            for name, texts in reports.items()
        ],
    }
    return fill_template('board.html', board=board, tests=tests, count=str(len(ids)), data=json_text(data))
