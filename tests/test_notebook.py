"""docs/quickstart.ipynb from top to bottom, and that its kept outputs are there."""

import json
import os
import subprocess
import sys

import pytest
from front_door import ROOT

NOTEBOOK = ROOT / 'docs' / 'quickstart.ipynb'
CELLS = [cell for cell in json.loads(NOTEBOOK.read_text())['cells'] if cell['cell_type'] == 'code']
CHECKS = """
assert result._repr_png_().startswith(b'\\x89PNG') and result.attention(0).size == (320, 160)
assert maps.predicting_attention.shape[0] == len(result.words) and maps.vdm.max() <= 1
for wrong, words in (('Zebra', 'Expected a word of the report'), (999, 'Expected a position from 0')):
    try:
        result.attention(wrong)
    except ValueError as error:
        assert words in str(error)
    else:
        raise AssertionError(wrong)
"""


def test_the_cells_run_in_order_and_reports_can_be_shown(tmp_path):
    code = '\n'.join(''.join(cell['source']) for cell in CELLS) + CHECKS
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=tmp_path,
        text=True,
        check=False,
        env=os.environ | {'PATH': os.path.dirname(sys.executable), 'TMPDIR': str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout


def test_outputs_are_kept_and_small():
    kinds = {kind for cell in CELLS for output in cell['outputs'] for kind in output.get('data', ())}
    assert {'image/png', 'text/plain'} <= kinds
    assert not [output for cell in CELLS for output in cell['outputs'] if output['output_type'] == 'error']
    assert NOTEBOOK.stat().st_size < 300_000
    if any(str(folder) in NOTEBOOK.read_text() for folder in (ROOT, '/home/')):
        pytest.fail('The outputs name a folder of the machine they were made on.')
