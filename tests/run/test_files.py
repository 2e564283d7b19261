"""Files are replaced whole; what a kill left of one is no trouble."""

import errno
import os

import pytest

from camanet_jax.run import files
from camanet_jax.run.files import append_json_lines, drop_torn_line, read_csv, read_json_lines, replacing, write_text


def test_replaced_text_leaves_no_other_file(tmp_path):
    write_text(tmp_path / 'a.json', 'old')
    write_text(tmp_path / 'a.json', 'new')
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [('a.json', 'new')]


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    write_text(tmp_path / 'a.txt', 'old')
    with pytest.raises(RuntimeError), replacing(tmp_path / 'a.txt') as temporary:
        temporary.write_text('half')
        raise RuntimeError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [('a.txt', 'old')]


def test_lines_are_appended_behind_the_last_whole_one(tmp_path):
    path = tmp_path / 'a.jsonl'
    append_json_lines(path, [{'report': 'größer\u2028'}, 2])
    with path.open('a') as file:
        file.write('{"report": "cut sh')
    assert read_json_lines(path) == [{'report': 'größer\u2028'}, 2]
    drop_torn_line(path)
    append_json_lines(path, [3])
    assert read_json_lines(path) == [{'report': 'größer\u2028'}, 2, 3]


def test_rows_of_a_csv_know_the_line_they_end_on(tmp_path):
    write_text(tmp_path / 'a.csv', '\ufeffid, report \r\n\r\na,"two\nlines"\r\nb,x\r\n')
    header, rows = read_csv(tmp_path / 'a.csv')
    assert header == ['id', 'report']
    assert list(rows) == [(4, ['a', 'two\nlines']), (5, ['b', 'x'])]


def test_one_process_writes_in_a_folder(tmp_path):
    with files.sole_writer(tmp_path / 'out', 'writing reports'):
        with pytest.raises(ValueError, match='out is in use: another process is writing reports there'):
            with files.sole_writer(tmp_path / 'out', 'writing reports'):
                pass
    with files.sole_writer(tmp_path / 'out', 'writing reports'):  # the lock went with its holder
        pass


def test_names_in_other_encodings_survive(tmp_path):
    names = [os.fsdecode(b'caf\xe9.png'), 'café 肺.png']
    files.write_json_lines(tmp_path / 'a.jsonl', names)
    assert files.read_json_lines(tmp_path / 'a.jsonl') == names
    assert '肺' in (tmp_path / 'a.jsonl').read_text(encoding='utf-8')


def test_a_broken_line_is_named(tmp_path):
    (tmp_path / 'a.jsonl').write_text('{}\n{"a"\n{}\n')
    with pytest.raises(ValueError, match='a.jsonl: line 2 is not JSON'):
        files.read_json_lines(tmp_path / 'a.jsonl')


@pytest.mark.parametrize(
    'error',
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        RuntimeError('write() failed: No space left on device; writing .scores.json.tmp; at byte 0'),  # ArrayRecord's
    ],
)
def test_a_full_disk_is_told_with_the_file_that_was_to_be_written(tmp_path, error):
    with pytest.raises(OSError) as told:
        with files.replacing(tmp_path / 'scores.json'):
            raise error
    assert files.os_error_in_words(told.value).startswith(f'{tmp_path}/scores.json: No space left on device; make room')
    assert not list(tmp_path.iterdir())
