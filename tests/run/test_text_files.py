"""Text files in the encodings they come in, and what is said of the others."""

import gzip

import pytest

from camanet_jax.data.tokenizer import CLEANERS, Tokenizer
from camanet_jax.metrics.protocol import full_string
from camanet_jax.run.files import is_missing, read_columns, read_csv, read_json, read_text

TEXT = '{"report": "No épanchement."}'


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-16-be', 'utf-32'])
@pytest.mark.parametrize('packed', [False, True])
def test_what_leaves_no_doubt_is_read(tmp_path, encoding, packed):
    content = TEXT.encode(encoding)
    for name in ('a.json', 'a.json.gz'):
        (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
        assert read_text(tmp_path / name) == TEXT
        assert read_json(tmp_path / name) == {'report': 'No épanchement.'}


@pytest.mark.parametrize(
    ('name', 'content', 'words'),
    [
        ('a.csv', 'id\ncafé\n'.encode('cp1252'), 'expected UTF-8, got other bytes in line 2, as in Windows-1252'),
        ('a.csv', b'id\na\0b\n', 'a NUL character in line 2'),
        ('a.csv.gz', gzip.compress(b'id\n' * 99, mtime=0)[:20], 'cut short or damaged'),
        ('a.csv.gz', b'<!DOCTYPE html>', 'got a web page'),
        ('a.json', b'', 'the file is empty'),
        ('a.json', b'[' * 100_000, 'not valid JSON'),
    ],
)
def test_doubt_is_said_in_one_line(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        read_json(path)
    assert str(path) in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize('line_end', ['\n', '\r\n', '\r'])
def test_a_lost_quote_swallows_no_rows(tmp_path, line_end):
    path = tmp_path / 'a.csv'
    lines = ['id,report', '"a","one"', '"b","two', '"c","three"', '"d","four"', '']
    path.write_text(line_end.join(lines), newline='')
    with pytest.raises(ValueError, match='row that begins in line 3 is not CSV'):
        list(read_csv(path)[1])
    path.write_text(line_end.join([*lines[:2], '"b","two"', *lines[3:]]), newline='')
    assert [cells for _, cells in read_csv(path)[1]][1] == ['b', 'two']


@pytest.mark.parametrize('cleaner', CLEANERS)
def test_line_ends_change_no_scored_word(cleaner):
    tokenizer = Tokenizer(('<unk>',), cleaner)
    words = 'The heart is big. The lungs are clear.  No effusion. 2. Seen.'.split(' ')
    expected = full_string(' '.join(words), tokenizer)
    for end in ('\n', '\r\n', '\r', '\u2028', '\t'):
        assert full_string(end.join(words), tokenizer) == expected


def test_the_word_nan_is_no_report():
    assert is_missing(' NaN ') and is_missing('') and not is_missing('Nan is well.')


@pytest.mark.parametrize('mark', [',', ';', '\t'])
def test_cells_end_at_the_marks_of_the_header(tmp_path, mark):
    path = tmp_path / 'a.csv'
    path.write_text(f'id{mark}report{mark}image_path\na{mark}"b, c; d\te"{mark}"x;y"\n', encoding='utf-8')
    header, rows = read_csv(path)
    assert header == ['id', 'report', 'image_path']
    assert [cells for _, cells in rows] == [['a', 'b, c; d\te', 'x;y']]


def test_rows_of_commas_alone_are_empty(tmp_path):
    (tmp_path / 'a.csv').write_text('id,report\n1,clear\n,\n,\n')
    assert list(read_columns(tmp_path / 'a.csv', ['id', 'report'])) == [('1', 'clear')]


def test_a_name_that_is_twice_in_a_json_file_is_told(tmp_path):
    (tmp_path / 'labels.json').write_text('{"a": 0, "a": 1}')
    with pytest.raises(ValueError, match="labels.json: not valid JSON .'a' occurs twice"):
        read_json(tmp_path / 'labels.json')
