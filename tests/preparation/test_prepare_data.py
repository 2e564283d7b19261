"""The command, from a source to batches that train."""

import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

from camanet_jax.data.examples import to_example
from camanet_jax.data.sources import open_sources
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.data.transforms import eval_image
from scripts import prepare_data


def test_mimic_cxr_to_records(mimic_cxr, tmp_path):
    output = tmp_path / 'prepared'
    prepare_data.main(['mimic_cxr', '--source', str(mimic_cxr), '--output', str(output), '--views=frontal'])
    source = open_sources(['train'], name='study_folder', data_dir=output, views=1)[0]
    assert source.ids == ['aa-02', 'aa-03'] and (source.store, source.section) == ('256', 'findings')
    assert source.records[1]['images'][0][:2] == b'\xff\xd8'  # JPEG
    facts = json.loads((output / 'dataset.json').read_text())
    assert facts == {
        'data_set': 'MIMIC-CXR',
        'split': 'official',
        'samples': 'image',
        'views': 'frontal',
        'section': 'findings',
        'labels': 'chexpert',
        'uncertain_labels': 'negative',
        'store': '256',
        'studies': {'train': 2, 'val': 1, 'test': 1},
    }


def test_own_folder_to_records_and_again(make_study_folder, tmp_path, caplog):
    caplog.set_level('INFO')
    folder, output = make_study_folder(), tmp_path / 'prepared'
    (folder / 'labels.json').unlink()
    annotation = json.loads((folder / 'annotation.json').read_text())
    annotation['train'][0]['report'] = 'There is a large pleural effusion.'  # else no study differs from another
    (folder / 'annotation.json').write_text(json.dumps(annotation))
    command = ['folder', '--source', str(folder), '--output', str(output)]
    prepare_data.main([*command, '--annotation_only'])
    assert not (output / 'tfds').exists()
    prepare_data.main([*command, '--labels=rules'])
    source = open_sources(['test'], name='study_folder', data_dir=output, views=2)[0]
    assert source.records[0]['images'][0] == (folder / 'images/test0_0.png').read_bytes()
    assert source.labels.sum(axis=1).tolist() == [1] * 5  # No Finding
    prepare_data.main([*command, '--labels=rules'])


def test_original_sizes_restore_the_aspect(make_study_folder, tmp_path):
    """From the table to the pixels of a batch; a film without a size keeps its file's aspect."""
    folder, output, table = make_study_folder(), tmp_path / 'prepared', tmp_path / 'films.csv'
    annotation = json.loads((folder / 'annotation.json').read_text())
    films = [(study['id'], view) for split in annotation.values() for study in split for view in range(2)]
    rows = [f'{study},{view},{",180" if view else "180,120"}' for study, view in films]
    command = ['folder', '--source', str(folder), '--output', str(output), f'--original_sizes={table}']
    faults = [(rows[1:], '1 film has none: train0 0'), (rows, 'films have other: train0 1: x180')]
    for wrong, message in faults:
        table.write_text('\n'.join(['study,view_index,dicom_columns,dicom_rows', *wrong]))
        with pytest.raises(SystemExit, match=message):
            prepare_data.main(command)
    table.write_text(table.read_text().replace(',180\n', ',\n').removesuffix('180'))
    prepare_data.main(command)
    source = open_sources(['test'], name='study_folder', data_dir=output, views=2)[0]
    assert source.studies[0].original_sizes == ((180, 120), None)
    paper = partial(eval_image, eval_transform='paper', image_size=24, resize_size=32)
    tokenizer = Tokenizer.build(source.reports, cleaner='iu_xray', threshold=1)
    images = to_example(source.records[0], paper, tokenizer, 8)['images']
    stored = [Image.open(folder / 'images' / path) for path in source.studies[0].image_paths]
    np.testing.assert_array_equal(images, [paper(stored[0], original_size=(180, 120)), paper(stored[1])])


def test_faults_end_the_command_with_a_message_alone(make_study_folder, tmp_path):
    folder = make_study_folder()
    (folder / 'images/val1_0.png').unlink()
    with pytest.raises(SystemExit, match='Error: .*1 faults in 18 studies(.|\n)*missing files: 1 case: val1'):
        prepare_data.main(['folder', '--source', str(folder), '--output', str(tmp_path / 'prepared')])
    with pytest.raises(SystemExit, match='expected another folder than --source'):
        prepare_data.main(['folder', '--source', str(folder), '--output', str(folder)])


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def test_folders_that_no_preparation_made_stay_as_they_are(make_study_folder, tmp_path):
    source, own = make_study_folder(), make_study_folder(name='own')
    before = contents(own)
    command = ['folder', '--source', str(source), '--output', str(own)]
    with pytest.raises(SystemExit, match='its annotation.json has no dataset.json beside it.* another --output'):
        prepare_data.main(command)
    assert contents(own) == before
    (own / 'annotation.json').unlink()
    with pytest.raises(SystemExit, match='own/images: expected no such folder, or the films to be in it'):
        prepare_data.main(command)
    assert contents(own) == {path: text for path, text in before.items() if path.name != 'annotation.json'}


def test_labels_of_another_data_set_do_not_stay(make_study_folder, tmp_path, capsys):
    labelled, unlabelled, output = make_study_folder(), make_study_folder(name='others'), tmp_path / 'prepared'
    (unlabelled / 'labels.json').unlink()
    command = ['folder', '--output', str(output), '--annotation_only', '--source']
    prepare_data.main([*command, str(labelled)])
    before = contents(output)
    with pytest.raises(SystemExit, match="expected labels of 'others', got those of 'studies'"):
        prepare_data.main([*command, str(unlabelled)])
    assert contents(output) == before
    (labelled / 'labels.json').unlink()
    prepare_data.main([*command, str(labelled)])
    assert 'labels.json is kept' in capsys.readouterr().err and contents(output) == before
    (output / 'labels.json').unlink()
    prepare_data.main([*command, str(unlabelled)])
