"""The output folder of `--mode=generate`: appended, resumed, and free of what identifies a patient."""

import json

import numpy as np
import pytest
from dicom_files import FILM_UID, STUDY_UID, dicom_bytes
from films import film

from camanet_jax.configuration import completed
from camanet_jax.explain import Explanation
from camanet_jax.generate import output_folder
from camanet_jax.generate.output_folder import Naming, ReportFiles
from camanet_jax.generate.reporter import Alternative, GeneratedReport
from camanet_jax.generate.study_list import ListedStudy

MADE_BY = completed({'seed': 0, 'data_dir': '/here', 'checkpoint': {'step': 6, 'weights': '0000abcd'}})


@pytest.fixture
def report() -> GeneratedReport:
    """Of one word."""
    maps = np.zeros((1, 1, 2, 2), np.float32)
    return GeneratedReport(
        'clear',
        ['clear'],
        -1.23456789,
        [-0.5],
        [Alternative('hazy', -2.0)],
        {'Edema': 0.25},
        np.zeros((1, 8, 8), np.uint8),
        Explanation(np.array([-0.5]), maps, maps),
    )


@pytest.fixture
def studies(tmp_path):
    """Three studies of one film each, the last a DICOM file that is called as its UID."""
    names = ['a.png', 'b.png', f'{FILM_UID}.dcm']
    for name in names:
        (tmp_path / name).write_bytes(dicom_bytes(np.eye(8, dtype=np.uint8)) if name.endswith('dcm') else film())
    return [ListedStudy(name, (tmp_path / name,)) for name in names]


def open_files(tmp_path, keep_identifiers=False, **changes) -> ReportFiles:
    return ReportFiles(tmp_path / 'out', Naming(keep_identifiers), MADE_BY | changes)


def lines(tmp_path, name='reports.jsonl') -> list[dict]:
    return [json.loads(line) for line in (tmp_path / 'out' / name).read_text().splitlines()]


def test_a_line_says_everything(tmp_path, studies, report):
    open_files(tmp_path).add(studies[0], report, overlays=True)
    path = tmp_path / 'a.png'
    assert lines(tmp_path) == [
        {
            'id': 'a.png',
            'images': [str(path)],
            'bytes': [path.stat().st_size],
            'report': 'clear',
            'log_prob': -1.234568,
            'words': [{'word': 'clear', 'log_prob': -0.5}],
            'observations': {'Edema': 0.25},
            'alternatives': [{'report': 'hazy', 'log_prob': -2.0}],
            'overlays': ['overlays/000000_a_png.png', 'overlays/000000_a_png.words.png'],
        }
    ]
    assert all((tmp_path / 'out' / name).is_file() for name in lines(tmp_path)[0]['overlays'])


def test_what_is_there_is_left_and_half_a_line_is_dropped(tmp_path, studies, report):
    files = open_files(tmp_path)
    files.add(studies[0], report, overlays=False)
    files.fail(studies[1], ValueError('torn'))
    with (tmp_path / 'out' / 'reports.jsonl').open('a') as file:
        file.write('{"id": "b.png", "ima')
    again = open_files(tmp_path, data_dir='/elsewhere')
    assert again.unfinished(studies) == studies[1:]
    assert not (tmp_path / 'out' / 'failed.jsonl').exists() and again.failures == 0
    again.add(studies[1], report, overlays=False)
    assert [line['id'] for line in lines(tmp_path)] == ['a.png', 'b.png']


def test_a_film_that_has_changed_is_read_again(tmp_path, studies, report):
    open_files(tmp_path).add(studies[0], report, overlays=False)
    (tmp_path / 'a.png').write_bytes(film(side=(9, 9)))
    assert open_files(tmp_path).unfinished(studies[:1]) == studies[:1]


def test_other_weights_are_noticed(tmp_path, studies, report):
    open_files(tmp_path).add(studies[0], report, overlays=False)
    with pytest.raises(ValueError, match='made differently:\n  checkpoint.step: 6 then, 9 now\n.*another --output'):
        open_files(tmp_path, checkpoint=MADE_BY['checkpoint'] | {'step': 9})
    for damaged in ('[]', '5'):
        (tmp_path / 'out' / 'made_by.json').write_text(damaged)
        with pytest.raises(ValueError, match='made_by.json: expected a JSON object'):
            open_files(tmp_path)
    (tmp_path / 'out' / 'reports.jsonl').unlink()
    open_files(tmp_path, seed=1)  # nothing there to disagree with


def test_failures_are_listed(tmp_path, studies):
    files = open_files(tmp_path)
    files.fail(studies[2], ValueError('it is empty'))
    (line,) = lines(tmp_path, 'failed.jsonl')
    assert line['error'] == 'it is empty' and line['id'].startswith('uid-') and files.failures == 1


def test_identifiers_are_kept_only_where_they_are_wanted(tmp_path, studies, report, monkeypatch):
    monkeypatch.setattr(output_folder, 'draw_words', lambda *_, **__: None)
    open_files(tmp_path).add(studies[2], report, overlays=True)
    everything = [str(path).encode() + path.read_bytes() for path in (tmp_path / 'out').rglob('*') if path.is_file()]
    assert len(everything) == 3 and not any(FILM_UID.encode() in content for content in everything)
    (tmp_path / 'out' / 'reports.jsonl').unlink()
    line = open_files(tmp_path, keep_identifiers=True).add(studies[2], report, overlays=False)
    assert line['identifiers'] == [{'StudyInstanceUID': STUDY_UID, 'SOPInstanceUID': FILM_UID}]
    assert line['id'] == f'{FILM_UID}.dcm'


def test_a_repeated_view_is_told(tmp_path, studies, report):
    twice = GeneratedReport(**vars(report) | {'images': np.zeros((2, 8, 8), np.uint8)})
    assert open_files(tmp_path).add(studies[0], twice, overlays=False)['repeated_view'] is True
