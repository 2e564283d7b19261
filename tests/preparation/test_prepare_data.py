"""The command, from a source to batches that train."""

import json

import pytest

from camanet_jax.data.sources import open_source
from scripts import prepare_data


def test_mimic_cxr_to_records(mimic_cxr, tmp_path):
    output = tmp_path / 'prepared'
    prepare_data.main(['mimic_cxr', '--source', str(mimic_cxr), '--output', str(output), '--views=frontal'])
    source = open_source(name='study_folder', data_dir=output, split='train', views=1)
    assert source.ids == ['aa-02', 'aa-03'] and source.store == '256'
    assert source.records[1]['images'][0][:2] == b'\xff\xd8'  # JPEG
    facts = json.loads((output / 'dataset.json').read_text())
    assert facts == {
        'data_set': 'MIMIC-CXR',
        'split': 'official',
        'samples': 'image',
        'views': 'frontal',
        'labels': 'chexpert',
        'uncertain_labels': 'negative',
        'store': '256',
        'studies': {'train': 2, 'val': 1, 'test': 1},
    }


def test_own_folder_to_records_and_again(make_study_folder, tmp_path, caplog):
    caplog.set_level('INFO')
    folder, output = make_study_folder(), tmp_path / 'prepared'
    (folder / 'labels.json').unlink()
    command = ['folder', '--source', str(folder), '--output', str(output)]
    prepare_data.main([*command, '--annotation_only'])
    assert not (output / 'tfds').exists()
    prepare_data.main([*command, '--labels=rules'])
    source = open_source(name='study_folder', data_dir=output, split='test', views=2)
    assert source.records[0]['images'][0] == (folder / 'images/test0_0.png').read_bytes()
    assert source.labels.sum(axis=1).tolist() == [1] * 5  # No Finding
    prepare_data.main([*command, '--labels=rules'])


def test_faults_end_the_command_with_a_message_alone(make_study_folder, tmp_path):
    folder = make_study_folder()
    (folder / 'images/val1_0.png').unlink()
    with pytest.raises(SystemExit, match='Error: .*1 faults in 18 studies(.|\n)*missing files: 1 case: val1'):
        prepare_data.main(['folder', '--source', str(folder), '--output', str(tmp_path / 'prepared')])
    with pytest.raises(SystemExit, match='expected another folder than --source'):
        prepare_data.main(['folder', '--source', str(folder), '--output', str(folder)])
