"""All tables of a grid as Markdown, CSV and one self-contained HTML page; the plot of k, and each run's scores."""

import base64
import datetime
import html
from decimal import Decimal
from pathlib import Path

from camanet_jax.lab.ablation.alignment_tables import (
    MAPS,
    alignment_table,
    claim_table,
    own_words_table,
    selection_table,
)
from camanet_jax.lab.ablation.endpoints import CHECKPOINTS, ENDPOINTS, endpoints_table
from camanet_jax.lab.ablation.k_sweep import draw_sweep, sweep_table
from camanet_jax.lab.ablation.language_tables import table_1, table_2, table_3, table_4
from camanet_jax.lab.ablation.other_tables import table_5, table_6, table_7
from camanet_jax.lab.ablation.results import Results, RunResult, read_results
from camanet_jax.lab.ablation.tables import NOT_MEASURED, SCRIPT, Table, Value
from camanet_jax.reporting.tables import markdown_table
from camanet_jax.run import files

TITLE = "Ablation of CAMANet beside the paper's values"
PLOT = 'k_sweep.png'
STYLE = """body{font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:92rem;margin:2rem auto;padding:0 1rem}
.wide{overflow-x:auto} table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #d4d4d4;white-space:nowrap}
th:nth-child(-n+3),td:nth-child(-n+3){text-align:left} tr.here{background:#eef5fa} .missing{color:#666}
p{color:#444;font-size:13px;margin:.4rem 0} code{background:#f2f2f2;padding:.1rem .25rem} h2{margin-top:2.5rem}"""


def write_page(output: Path) -> list[Path]:
    """Writes `output`/ablation.md, .csv, .html, runs.csv and the plot; returns the files."""
    results = read_results(output)
    tables = all_tables(results)
    plot = draw_sweep(results, output / PLOT)
    intro = introduction(results)
    texts = {
        'ablation.md': as_markdown(tables, plot, intro),
        'ablation.csv': as_csv(tables),
        'ablation.html': as_html(tables, plot, intro),
        'runs.csv': runs_csv(results),
    }
    for name, text in texts.items():
        files.write_text(output / name, text)
    return [output / name for name in texts] + ([plot] if plot else [])


def all_tables(results: Results) -> list[Table]:
    """Every table in the order of the page, the grid's own subject first."""
    return [
        endpoints_table(results),
        table_4(results),
        claim_table(results),
        own_words_table(results),
        alignment_table(results),
        selection_table(results),
        sweep_table(results),
        table_5(results),
        table_6(results),
        table_7(results),
        table_1(results),
        table_2(results),
        table_3(results),
    ]


def introduction(results: Results) -> str:
    """The paragraph on the rows "here": the date of their last run, and the command that makes them."""
    runs = results.every_run()
    last = max((run.workdir / 'scores.json').stat().st_mtime for run in runs) if runs else None
    when = 'no run has finished' if last is None else datetime.date.fromtimestamp(last).isoformat()
    return (
        f'Rows "paper" are printed values; rows "here" were measured by this command ({len(runs)} runs, {when}): '
        f'`{SCRIPT} --config={results.config_file} --systems={",".join(results.systems)} --seeds={results.seeds}`'
    )


def as_markdown(tables: list[Table], plot: Path | None, intro: str) -> str:
    """Pipe tables, numbers to the right."""
    blocks = [f'# {TITLE}', intro]
    for table in tables:
        text = markdown_table(table.header, table.lines(), left=3, padded=False)
        picture = [f'![k]({PLOT})'] if plot and table.name == 'k_sweep' else []
        blocks += [f'## {table.title}', text, *picture, *table.notes]
    return '\n\n'.join(blocks) + '\n'


def as_csv(tables: list[Table]) -> str:
    """One line a value: table, row, column, value, deviation, number of seeds and interval."""
    lines = [['table', 'data_set', 'system', 'source', 'column', 'value', 'deviation', 'seeds', 'low', 'high']]
    for table in tables:
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if cell not in (None, ''):
                    lines.append([table.name, row.data_set, row.system, row.source, column, *csv_value(cell)])
    return files.as_csv(lines)


def csv_value(cell: Value | Decimal | str) -> tuple[str, ...]:
    """Measured values in full precision, the paper's as printed."""
    if not isinstance(cell, Value):
        return str(cell).replace(',', ''), '', '', '', ''
    numbers = (cell.deviation, *(cell.interval or (None, None)))
    deviation, low, high = ('' if number is None else f'{number:.6g}' for number in numbers)
    return f'{cell.mean:.6g}', deviation, str(cell.seeds), low, high


def runs_csv(results: Results) -> str:
    """A line for each run: what the tables average, so that seeds can be compared and added without the runs."""
    rows = [{'system': run.system, 'seed': str(run.config['seed'])} | run_scores(run) for run in results.every_run()]
    columns = dict.fromkeys(name for row in rows for name in row)
    return files.as_csv([list(columns), *([row.get(name, '') for name in columns] for row in rows)])


def run_scores(run: RunResult) -> dict[str, str]:
    """The endpoints and distinct reports of each checkpoint; each map's pointing and energy; the effect of hiding."""
    scores: dict[str, float] = {}
    for checkpoint, file in CHECKPOINTS.items():
        if run.has_predictions(file):
            statistics = run.scored(file).statistics
            scores |= {f'{name}_{checkpoint}': statistics[group][name].value() for group, name in ENDPOINTS}
            scores[f'distinct_{checkpoint}'] = len({row['report'] for row in run.predictions(file)})
    maps = run.alignment or {}
    for name in filter(maps.get, MAPS):
        scores |= {f'{name}_{measure}': maps[name][measure]['value'] for measure in ('pointing', 'energy')}
    if run.hiding.get('lesions'):
        scores |= {'lesion_hidden': run.hiding['value'], 'elsewhere_hidden': run.hiding['baseline']}
    return {name: f'{value:.6g}' for name, value in scores.items()}


def as_html(tables: list[Table], plot: Path | None, intro: str) -> str:
    """One page that needs no other file."""
    parts = [f'<h1>{html.escape(TITLE)}</h1>', f'<p>{html_note(intro)}</p>']
    for table in tables:
        parts += [f'<h2 id="{table.name}">{html.escape(table.title)}</h2>', html_table(table)]
        if plot and table.name == 'k_sweep':
            parts.append(f'<img alt="BLEU-4 over k" src="data:image/png;base64,{encoded(plot)}">')
        parts += [f'<p>{html_note(note)}</p>' for note in table.notes]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(TITLE)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n<body>\n'
        + '\n'.join(parts)
        + '\n</body></html>\n'
    )


def html_table(table: Table) -> str:
    """The table; our own rows are shaded."""
    head = ''.join(f'<th>{html.escape(name)}</th>' for name in table.header)
    rows = []
    for row, line in zip(table.rows, table.lines(), strict=True):
        cells = ''.join(
            f'<td{" class=missing" if cell == NOT_MEASURED else ""}>{html.escape(cell)}</td>' for cell in line
        )
        rows.append(f'<tr class="{row.source}">{cells}</tr>')
    body = '\n'.join(rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def html_note(note: str) -> str:
    """Commands in backquotes as code."""
    pieces = html.escape(note, quote=False).split('`')
    return ''.join(f'<code>{piece}</code>' if i % 2 else piece for i, piece in enumerate(pieces))


def encoded(path: Path) -> str:
    """A file as text for a data URL."""
    return base64.b64encode(path.read_bytes()).decode()
