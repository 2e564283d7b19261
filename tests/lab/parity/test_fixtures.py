import gzip
import json
import shutil

import numpy as np
import pytest
from tampering import change, missed, report_on

SINGLE_FILES = ('vtac.npz', 'optimiser.npz', 'lr_schedules.json')


def test_the_repositorys_single_files_agree(copied):
    report = report_on(copied(*SINGLE_FILES))
    assert report.ok and len(report.lines) == 16 + 12 + 3


@pytest.mark.parametrize('key', ['paper/0.25/tdm', 'official/0.3/selected', 'query'])
def test_vtac_fails_when_a_key_is_changed_or_missing(copied, key):
    folder = copied('vtac.npz')
    with np.load(folder / 'vtac.npz') as file:
        value = file[key]
    wrong = ~value if value.dtype == bool else value[:, ::-1]
    change(folder / 'vtac.npz', **{key: wrong})
    names = ''.join(missed(report_on(folder)))
    assert key in names or key == 'query' and 'paper/0.25/tdm' in names
    change(folder / 'vtac.npz', **{key: None})
    found = missed(report_on(folder))
    assert any(key in name + note and 'missing' in note for name, note in found.items())


def test_an_unknown_key_or_file_is_a_miss(copied):
    folder = copied('vtac.npz')
    change(folder / 'vtac.npz', extra=np.zeros(1))
    np.savez(folder / 'other.npz', a=np.zeros(1))
    assert {name: note.split(':')[0] for name, note in missed(report_on(folder)).items()} == {
        'vtac.npz:extra': 'unread',
        'other.npz': 'unread',
    }


@pytest.mark.parametrize(
    ('key', 'shown'), [('p1/after/04', 'p1/after/04'), ('p0/grad/03', 'p0/after/04'), ('p2/start', 'p2/after/00')]
)
def test_the_optimiser_fails_when_a_key_is_changed(copied, key, shown):
    folder = copied('optimiser.npz')
    with np.load(folder / 'optimiser.npz') as file:
        change(folder / 'optimiser.npz', **{key: -file[key]})
    assert f'optimiser.npz:{shown}' in missed(report_on(folder))


def test_a_missing_gradient_is_named(copied):
    folder = copied('optimiser.npz')
    change(folder / 'optimiser.npz', **{'p1/grad/33': None})
    assert missed(report_on(folder)) == {'optimiser.npz': 'optimiser.npz: key p1/grad/33 is missing'}


def test_a_learning_rate_must_be_exact(copied):
    folder = copied('lr_schedules.json')
    schedules = json.loads((folder / 'lr_schedules.json').read_text())
    schedules['mimic_cxr']['used'][7][1] *= 1 + 1e-15
    schedules['decays']['momentum'] = 0.9
    (folder / 'lr_schedules.json').write_text(json.dumps(schedules))
    found = missed(report_on(folder))
    assert found['lr_schedules.json:mimic_cxr'] == '1 of 240 elements differ'
    assert 'momentum' in found['lr_schedules.json:decays'] and len(found) == 2


def test_an_empty_folder_does_not_pass(tmp_path):
    report = report_on(tmp_path)
    assert not report.ok and 'found none' in report.lines[0].note


@pytest.fixture
def data_fixture(tmp_path, shared_dir):
    """A function that copies one of the files that need data."""

    def copy(name):
        shutil.copy(shared_dir / 'reference' / name, tmp_path / name)
        return tmp_path / name, shared_dir / 'data'

    return copy


def test_transforms_agree_and_fail_when_changed(data_fixture):
    path, data_root = data_fixture('transforms.npz')
    assert report_on(path.parent, data_root).ok
    with np.load(path) as file:
        wrong = file['input301x517|paper'] ^ (np.arange(224) == 5)
    change(path, **{'input301x517|paper': wrong, 'input517x301': None, 'input257x390|official': None})
    assert sorted(missed(report_on(path.parent, data_root))) == [
        'transforms.npz:input257x390|official',
        'transforms.npz:input301x517|paper',
        'transforms.npz:input517x301',
        'transforms.npz:input517x301|official',
        'transforms.npz:input517x301|paper',
    ]


def test_the_tokenizer_agrees_and_fails_when_changed(data_fixture):
    path, data_root = data_fixture('tokenizer.json.gz')
    assert report_on(path.parent, data_root).ok
    with gzip.open(path, 'rt') as file:
        values = json.load(file)
    study = next(iter(values['iu_xray']['ids']['val']))
    values['iu_xray']['ids']['val'][study][1] += 1
    del values['mimic_cxr_on_iu_text']['decode_cases']
    with gzip.open(path, 'wt') as file:
        json.dump(values, file)
    found = missed(report_on(path.parent, data_root))
    assert found['tokenizer.json.gz:iu_xray:ids'] == f'/val/{study}/1 differs'
    assert any('decode_cases is missing' in note for note in found.values()) and len(found) == 2


def test_without_the_data_the_tokenizer_cannot_pass(data_fixture):
    path, _ = data_fixture('tokenizer.json.gz')
    assert 'data_dir must hold' in str(missed(report_on(path.parent)))
