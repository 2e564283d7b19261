"""Columns line up, numbers to the right."""

from camanet_jax.reporting.tables import latex_table, markdown_table, text_table

ROWS = [['BLEU_4', '0.1'], ['CIDEr', '12.5']]


def test_text_is_aligned():
    assert text_table([['', 'score'], *ROWS]) == ['        score', 'BLEU_4    0.1', 'CIDEr    12.5']
    assert text_table(ROWS, left=2) == ['BLEU_4  0.1', 'CIDEr   12.5']


def test_markdown_is_aligned_where_asked_for():
    padded = '|        | score |\n| ------ | ----: |\n| BLEU_4 |   0.1 |\n| CIDEr  |  12.5 |'
    assert markdown_table(['', 'score'], ROWS) == padded
    assert markdown_table(['a', 'b'], ROWS, padded=False).splitlines() == [
        '| a | b |',
        '| --- | --: |',
        '| BLEU_4 | 0.1 |',
        '| CIDEr | 12.5 |',
    ]


def test_latex_is_escaped():
    lines = latex_table(['a & b', '#'], [['50%_{x}', '\\~^$']]).splitlines()
    assert lines[0] == r'\begin{tabular}{lr}' and lines[-1] == r'\end{tabular}'
    assert lines[2] == r'a \& b & \# \\'
    assert lines[4] == r'50\%\_\{x\} & \textbackslash{}\textasciitilde{}\textasciicircum{}\$ \\'
