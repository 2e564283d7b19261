import gzip

import pytest

from camanet_jax.run.files import write_columns
from camanet_jax.scoring.report_rows import REFERENCE, REPORT, read_rows, texts


def test_numbers_are_ids_and_blank_lines_are_none(tmp_path):
    path = tmp_path / 'x.jsonl.gz'
    path.write_bytes(gzip.compress('\ufeff\r\n{"id": 7, "report": "a \u2028 b"}\r\n\r\n'.encode()))
    assert texts(read_rows(path), path, REPORT) == {'7': 'a \u2028 b'}


def test_other_harnesses_names_and_parquet(tmp_path):
    columns = {'sample_id': ['a', 'b'], 'reference': ['x', 'y'], 'hypothesis': ['', 'z']}
    for name in ('x.parquet', 'x.csv'):
        write_columns(tmp_path / name, columns)
        rows = read_rows(tmp_path / name)
        assert texts(rows, tmp_path, REPORT) == {'a': '', 'b': 'z'}
        assert texts(rows, tmp_path, REFERENCE) == {'a': 'x', 'b': 'y'}
    (tmp_path / 'x.csv').write_text('study_id,findings,impression\na,x,y\n')
    assert texts(read_rows(tmp_path / 'x.csv'), tmp_path, REPORT) == {'a': 'x'}
    (tmp_path / 'y.parquet').write_text('no table')
    with pytest.raises(ValueError, match='y.parquet: expected a Parquet table'):
        read_rows(tmp_path / 'y.parquet')


def test_quoted_reports_may_hold_commas_and_line_ends(tmp_path):
    path = tmp_path / 'x.csv'
    path.write_text('id,report\n" a ","x, ""y""\nz"\n\nb,\n')
    assert texts(read_rows(path), path, REPORT) == {'a': 'x, "y"\nz', 'b': ''}


def test_a_csv_is_read_once(tmp_path, monkeypatch):
    (tmp_path / 'x.csv').write_text('id,report\na,x\n')
    monkeypatch.setattr('camanet_jax.run.files.read_text', None)  # the second reading's
    assert read_rows(tmp_path / 'x.csv') == {'a': {'id': 'a', 'report': 'x'}}


def test_the_whole_reference_comes_before_the_cut_one(tmp_path):
    path = tmp_path / 'x.jsonl'
    path.write_text('{"id": "a", "reference": "cut", "reference_full": "whole"}\n{"id": "b", "reference": "only"}\n')
    rows = read_rows(path)
    assert texts(rows, path, REFERENCE) == {'a': 'whole', 'b': 'only'}
    with pytest.raises(ValueError, match=r'text under report or .* in every row .* none in 2 rows: a; b'):
        texts(rows, path, REPORT)


@pytest.mark.parametrize(
    'name, content, message',
    [
        ('x.csv', b'', 'got an empty file'),
        ('x.csv', b'id:report\na:b\n', 'separated by commas; got id:report'),
        ('x.csv', b'id,report,report\n', 'columns of different names'),
        ('x.csv', b'id,report\n', 'got no rows'),
        ('x.csv', b'id,report\na,b,c\n', 'expected 2 cells, got 3 in line 2'),
        ('x.csv', b'id,report\n,x\n ,y\n', '2 problems: line 2 has no id; line 3 has no id'),
        ('x.csv', 'id,report\na,größe\n'.encode('latin-1'), 'expected UTF-8, got other bytes in line 2'),
        ('x.csv.gz', gzip.compress(b'id,report\n', mtime=0)[:-9], 'cut short or damaged'),
        ('x.jsonl', b'{"id": "a", "report": "x"}\n{"id": "a"}\n', 'line 2 repeats id a'),
        ('x.jsonl', b'{"id": true}\n{"id": null}\n{}\n', '3 problems: line 1 has no id'),
        ('x.jsonl', b'{"id": "a"}\n{"id": \n', 'line 2 is not JSON'),
        ('x.jsonl', b'{"id": "a"}\n3\n', 'expected an object in line 2, got int'),
        ('x.jsonl', b'[{"id": "a"}]', 'got a JSON document'),
    ],
)
def test_faults(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_rows(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match='no such file'):
        read_rows(tmp_path / 'x.csv')


def test_the_mark_of_an_empty_cell_is_no_report(tmp_path):
    path = tmp_path / 'x.csv'
    path.write_text('id,report\na,\nb,nan\n')
    with pytest.raises(ValueError, match="what tables write into empty cells .*'nan'.* 1 row: b"):
        texts(read_rows(path), path, REPORT)
