"""The command, from its front door."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.labeling.label_files import read_label_csv, read_label_json
from camanet_jax.labeling.label_reports import label_to_files, read_reports
from camanet_jax.labeling.rule_labeler import Labeler

SCRIPT = Path(__file__).parents[2] / 'scripts/label_reports.py'


def run(monkeypatch, *arguments):
    spec = importlib.util.spec_from_file_location('label_reports', SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(sys, 'argv', ['label_reports.py', *map(str, arguments)])
    script.main()


@pytest.fixture
def folder(tmp_path):
    def entry(name, report):
        return {'id': name, 'report': report, 'image_path': ['x.png']}

    train, test = entry('CXR1_IM-7-x', 'Small effusion.'), entry('CXR2_IM-7-x', 'Lungs are clear.')
    annotation = {'train': [train], 'val': [], 'test': [test]}
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/annotation.json').write_text(json.dumps(annotation))
    return tmp_path / 'data'


@pytest.mark.parametrize('size', ['-1', '0', 'many'])
def test_a_batch_has_reports(folder, tmp_path, monkeypatch, capsys, size):
    with pytest.raises(SystemExit):
        run(monkeypatch, '--input', folder, '--output', tmp_path / 'out', '--batch_size', size)
    assert 'argument --batch_size: ' in capsys.readouterr().err and not (tmp_path / 'out').exists()


def test_rules_on_a_data_folder_compared(folder, tmp_path, monkeypatch, capsys):
    target = {'CXR1_IM-7': [int(name == 'Pleural Effusion') for name in OBSERVATIONS]}
    (tmp_path / 'other.json').write_text(json.dumps(target))
    run(monkeypatch, '--input', folder, '--output', tmp_path / 'out', '--compare', tmp_path / 'other.json')
    labels = read_label_json(tmp_path / 'out/labels.json')
    assert list(labels) == ['CXR1_IM-7-x', 'CXR2_IM-7-x']
    assert labels['CXR1_IM-7-x'] == tuple(target['CXR1_IM-7'])
    assert '| Pleural Effusion | 1 | 1.000 | 1.000 | 1.000 |' in capsys.readouterr().out


def test_chexbert_on_a_csv(files, tmp_path, monkeypatch):
    (tmp_path / 'reports.csv').write_text('id,other,report\n1,x,"No small, effusion"\n2,y,Clear\n')
    run(
        monkeypatch,
        '--input',
        tmp_path / 'reports.csv',
        '--output',
        tmp_path / 'out',
        '--labeler',
        'chexbert',
        '--weights',
        files[0],
        '--vocabulary',
        files[1],
    )
    assert list(read_label_json(tmp_path / 'out/labels.json')) == ['1', '2']


def test_says_what_is_wrong(tmp_path, monkeypatch):
    (tmp_path / 'reports.csv').write_text('id,text\n1,x\n')
    with pytest.raises(SystemExit, match='missing or repeated: report. Its columns are id, text'):
        run(monkeypatch, '--input', tmp_path / 'reports.csv', '--output', tmp_path / 'out')


@pytest.mark.parametrize(
    'text, message',
    [
        ('id,report\n1,a\n1,b\n', '1 has two different reports'),
        ('id,report\n', 'no reports'),
        (
            'id,report\n1,a\n2,\n3,NaN\n',
            r"2 problems: 2 has no report \(''\); write one or leave it out; 3 has no report",
        ),
        ('id,report\n1,a,b\n', 'line 2 has 3 of 2 cells'),
    ],
)
def test_faults_of_a_csv(tmp_path, text, message):
    (tmp_path / 'x.csv').write_text(text)
    with pytest.raises(ValueError, match=message):
        read_reports(tmp_path / 'x.csv')


def test_faults_of_a_folder(folder, tmp_path):
    assert list(read_reports(folder, ('test',))) == ['CXR2_IM-7-x']
    with pytest.raises(ValueError, match='no such file'):
        read_reports(tmp_path)
    (folder / 'annotation.json').write_text('{"train": [{"id": "a"}]}')
    with pytest.raises(ValueError, match="KeyError.'report'"):
        read_reports(folder)


REPORTS = {f's{number}': 'word ' * number for number in range(1, 8)}
MADE_BY = {'labeler': 'lengths'}


class Lengths:
    """Labels the first observation by the length of a report; stops when it has labelled `limit` reports."""

    def __init__(self, limit=100):
        self.limit, self.seen = limit, []

    def __call__(self, texts):
        if len(self.seen) >= self.limit:
            raise KeyboardInterrupt
        self.seen += texts
        labels = np.full((len(texts), 14), -2, np.int8)
        labels[:, 0] = [(1, 0, -1)[len(text.split()) % 3] for text in texts]
        return labels


def label(output, lengths, reports=REPORTS, made_by=MADE_BY, uncertain='positive'):
    return label_to_files(
        reports, Labeler('lengths', lengths), output, made_by=made_by, uncertain=uncertain, batch_size=2
    )


def test_files_in_the_order_of_the_reports(tmp_path):
    labels = label(tmp_path, Lengths())
    assert list(labels) == list(REPORTS)
    assert [row[0] for row in labels.values()] == [0, -1, 1, 0, -1, 1, 0]
    assert read_label_csv(tmp_path / 'chexbert.csv') == labels
    assert [row[0] for row in read_label_json(tmp_path / 'labels.json').values()] == [0, 1, 1, 0, 1, 1, 0]


def test_goes_on_after_a_kill_in_the_middle_of_a_line(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        label(tmp_path, Lengths(4))
    assert not (tmp_path / 'labels.json').exists()
    with (tmp_path / 'labels.jsonl').open('a') as file:
        file.write('{"id": "s1", "lab')
    second = Lengths()
    resumed = label(tmp_path, second)
    assert len(second.seen) == 3
    assert resumed == label(tmp_path / 'whole', Lengths())


@pytest.mark.parametrize('line', ['5', '{"x": 1}'])
def test_a_damaged_line_is_named(tmp_path, line):
    label(tmp_path, Lengths())
    with (tmp_path / 'labels.jsonl').open('a') as file:
        file.write(line + '\n')
    with pytest.raises(ValueError, match='labels.jsonl: line 9 is damaged: expected id, checksum, labels in it'):
        label(tmp_path, Lengths())


def test_a_finished_run_only_writes_anew(tmp_path):
    label(tmp_path, Lengths())
    again = Lengths()
    label(tmp_path, again, uncertain='ignore')
    assert not again.seen
    assert [row[0] for row in read_label_json(tmp_path / 'labels.json').values()] == [0, -1, 1, 0, -1, 1, 0]


def test_a_changed_report_is_labelled_again(tmp_path):
    label(tmp_path, Lengths())
    again = Lengths()
    labels = label(tmp_path, again, REPORTS | {'s2': 'one two three'})
    assert again.seen == ['one two three'] and labels['s2'][0] == 1


def test_refuses_to_mix_labelers_or_replace_foreign_labels(tmp_path):
    label(tmp_path, Lengths())
    with pytest.raises(ValueError, match='Choose another output folder'):
        label(tmp_path, Lengths(), made_by={'labeler': 'other'})
    (tmp_path / 'foreign').mkdir()
    (tmp_path / 'foreign/labels.json').write_text(json.dumps({}))
    with pytest.raises(ValueError, match='was not made here'):
        label(tmp_path / 'foreign', Lengths())
