import io
import json

import numpy as np

from camanet_jax.lab.parity.report import Check, Report, load_arrays
from camanet_jax.lab.parity.rules import Close, Identical

CHECKS = {'a': [Check(np.ones(3), Close(1e-3))], 'b': [Check(np.arange(2), Identical())]}
ARRAYS = {'a': np.ones(3), 'b': np.arange(2), 'given': np.zeros(1)}


def compare(arrays, **options):
    report = Report()
    report.compare_file('file', arrays, CHECKS, ['given'], **options)
    return report, {line.name: line for line in report.lines if line.ok is False}


def test_a_file_passes_when_every_key_is_read_and_agrees():
    report, missed = compare(ARRAYS)
    assert report.ok and not missed and report.summary() == '2 ok, 0 missed, 0 not checked'


def test_a_missing_key_is_a_miss():
    report, missed = compare({'a': np.ones(3)})
    assert not report.ok and missed['file:b'].note == 'missing'


def test_an_unread_key_is_a_miss():
    report, missed = compare(ARRAYS | {'extra': np.zeros(1)})
    assert not report.ok and 'unread' in missed['file:extra'].note


def test_a_wrong_key_is_a_miss():
    report, missed = compare(ARRAYS | {'a': np.array([1, 1, 1.1])})
    assert not report.ok and list(missed) == ['file:a']


def test_a_key_that_is_left_out_neither_passes_nor_fails():
    report, _ = compare({'a': np.ones(3)}, left_out=['b'])
    assert report.ok and [line.ok for line in report.lines] == [True, None]


def test_nothing_compared_is_no_pass():
    report = Report()
    report.not_checked('file', 'not read')
    assert not report.ok


def test_lines_are_printed_as_they_come_and_the_inputs_named_after_a_miss():
    stream = io.StringIO()
    Report(stream).compare_file('file', ARRAYS | {'a': np.zeros(3)}, CHECKS, ['given'])
    printed = stream.getvalue()
    assert 'file:a ' in printed and 'MISS' in printed and 'computed from given' in printed


def test_a_check_that_cannot_use_its_input_is_a_miss(tmp_path):
    (tmp_path / 'cut.npz').write_bytes(b'PK\x03\x04 and no more')
    report = Report()
    report.guard('here', load_arrays, tmp_path / 'cut.npz')
    assert not report.ok and 'cut.npz: cannot be read' in report.lines[0].note


def test_json_holds_every_line_and_no_number_that_json_lacks(tmp_path):
    report, _ = compare(ARRAYS | {'a': np.array([np.nan, 1, 1])})
    report.write_json(tmp_path / 'report.json', dtype='float32')
    written = json.loads((tmp_path / 'report.json').read_text(), parse_constant=lambda name: 1 / 0)
    assert written['ok'] is False and written['dtype'] == 'float32'
    assert [line['name'] for line in written['lines']] == ['file:a', 'file:b']
