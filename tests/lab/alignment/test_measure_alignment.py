"""A run's maps measured on the synthetic masks."""

import json
import shutil

import numpy as np
import pytest
from front_door import run_main, succeed
from tiny import TRAIN

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.experiment import Experiment, open_split
from camanet_jax.explain import Explanation
from camanet_jax.lab.alignment import measurement
from camanet_jax.lab.alignment.lesions import ANY, Lesion
from camanet_jax.lab.alignment.maps import MEANING, ExplainedStudy
from camanet_jax.lab.alignment.measurement import by_map, measure, measure_split
from camanet_jax.lab.alignment.summary import MEASURES
from camanet_jax.run.workdir import TrainedRun, open_trained

SCRIPT = 'scripts/measure_alignment.py'
EDEMA = OBSERVATIONS.index('Edema')


@pytest.fixture(scope='module')
def found(trained):
    return measure(open_trained(trained), split='train')


def test_every_map_of_the_full_system_is_measured(found):
    assert set(found['maps']) <= set(MEANING)
    assert set(found['maps']) >= {'vdm', 'class_map', 'tdm_generated', 'words_reference', 'vdm_any', 'lesion_itself'}
    for entry in found['maps'].values():
        assert 0 < entry['lesions'] <= found['lesions'] and entry['studies'] <= found['studies']
        for name in MEASURES:
            scores = entry[name]
            assert 0 <= scores['low'] <= scores['value'] <= scores['high'] <= 1
            assert scores['difference'] == pytest.approx(scores['value'] - scores['chance'])
    assert {'config', 'variant', 'seed', 'step', 'versions'} <= found['provenance'].keys()


def test_every_lesion_of_the_data_is_there(trained, found):
    records = open_split(open_trained(trained).experiment.config, 'train').records
    expected = {
        (records[i]['id'], OBSERVATIONS[int(observation)])
        for i in range(len(records))
        for observation in records[i]['masks']['observation']
    }
    rows = {(row['id'], row['observation']): row for row in found['rows'] if row['observation'] != 'any'}
    assert rows.keys() == expected and found['lesions'] == len(expected)
    assert all(row['maps'].keys() >= {'vdm', 'lesion_itself'} for row in rows.values())


def test_the_lesion_itself_is_the_best_map(found):
    best = found['maps']['lesion_itself']
    for name in ('vdm', 'class_map', 'tdm_generated'):
        for measure_name in MEASURES:
            assert found['maps'][name][measure_name]['value'] < best[measure_name]['value']


def test_the_newest_checkpoint_is_measured_where_it_is_asked_for(trained, monkeypatch):
    def stop(folder, config, *, newest):
        raise InterruptedError(f'newest={newest}')

    monkeypatch.setattr(measurement, 'open_trained', stop)
    for newest in (True, False):
        with pytest.raises(InterruptedError, match=f'newest={newest}'):
            measurement.measure_alignment(trained, 'train', None, None, None, None, newest=newest)


def test_measuring_does_not_depend_on_the_batch(trained, found, make_config):
    config = make_config({'evaluation.batch_size': 5})
    again = measure(open_trained(trained, config), split='train')
    assert again['rows'][0]['id'] == found['rows'][0]['id']
    for name, entry in found['maps'].items():
        assert again['maps'][name]['energy']['value'] == pytest.approx(entry['energy']['value'], abs=1e-4)


def test_the_base_system_has_only_attention(trained, make_config):
    full = open_trained(trained)
    vdmae = ('classifier', 'discriminative_norm', 'unused_background_norm')
    parts = {name: values for name, values in full.variables['params'].items() if name not in vdmae}
    experiment = Experiment(make_config({'model.vdmae': False, 'model.vtac': False}), full.experiment.tokenizer)
    run = TrainedRun(experiment, full.variables | {'params': parts}, full.step)
    assert by_map(measure_split(run, 'train', None)[0]).keys() - {'words_generated', 'words_read_generated'} == {
        'words_reference',
        'words_read_reference',
        'lesion_itself',
    }


def explanation(words: int, seed: int, **maps) -> Explanation:
    attention = np.random.default_rng(seed).uniform(size=(2, words, 1, 2, 2))
    return Explanation(np.zeros(words), attention[0], attention[1], **maps)


def test_words_that_name_the_finding_are_averaged():
    words = {'generated': 'pulmonary edema with edema'.split(), 'reference': 'no edema .'.split()}
    explained = {'generated': explanation(4, 0), 'reference': explanation(3, 1)}
    lesion = Lesion('test', 0, 'a', EDEMA, np.ones((1, 2, 2)))
    maps = ExplainedStudy(words, explained).maps(lesion)
    assert maps.keys() == {'words_generated', 'words_read_generated', 'lesion_itself'}  # the reference denies it
    for name, rows in (
        ('words_generated', explained['generated'].predicting_attention),
        ('words_read_generated', explained['generated'].reading_attention),
    ):
        np.testing.assert_allclose(maps[name], (rows[1] + rows[3]).reshape(-1) / 2)


def test_maps_of_everything_and_of_one_class():
    cams = np.arange(14 * 4, dtype=float).reshape(14, 1, 2, 2)
    shared = dict(vdm=np.full((1, 2, 2), 5.0), cams=cams)
    explained = {
        'generated': explanation(1, 0, tdm=np.full((1, 2, 2), 6.0), **shared),
        'reference': explanation(1, 1, tdm=np.full((1, 2, 2), 7.0), **shared),
    }
    study = ExplainedStudy({'generated': ['clear'], 'reference': ['clear']}, explained)
    one = study.maps(Lesion('test', 0, 'a', EDEMA, np.ones((1, 2, 2))))
    np.testing.assert_array_equal(one['class_map'], cams[EDEMA].reshape(-1))
    assert (one['vdm'][0], one['tdm_generated'][0], one['tdm_reference'][0]) == (5, 6, 7)
    every = study.maps(Lesion('test', 0, 'a', ANY, np.ones((1, 2, 2))))
    assert every.keys() == {'vdm_any', 'tdm_any_generated', 'tdm_any_reference'} and every['tdm_any_reference'][0] == 7


def test_the_command_writes_prints_and_compares(trained, found, tmp_path):
    ours = shutil.copytree(trained, tmp_path / 'ours')
    output = succeed('--workdir', str(ours), '--split=train', '--baseline', str(ours), program=(SCRIPT,))
    written = json.loads((ours / 'alignment.json').read_text())
    expected = json.loads(json.dumps({name: value for name, value in found.items() if name != 'rows'}))
    commands, own = (entry['provenance'].pop('code') for entry in (written, expected))
    assert commands['sources'] == own['sources']  # the command finds no git on its path, and so no commit
    assert written == expected
    rows = [json.loads(line) for line in (ours / 'alignment_lesions.jsonl').read_text().splitlines()]
    assert rows == json.loads(json.dumps(found['rows']))
    assert f'train: {found["lesions"]} lesions (masks' in output and 'vdm' in output
    assert '+0.000 [+0.000, +0.000]' in output.split(f'above {ours}')[1]


def test_boxes_take_the_place_of_masks(trained, tmp_path):
    studies = open_split(open_trained(trained).experiment.config, 'train').ids
    boxes = tmp_path / 'boxes.json'
    boxes.write_text(
        json.dumps([{'id': study, 'finding': 'Mass', 'xywh_1024': [100, 100, 400, 400]} for study in studies])
    )
    found = measure(open_trained(trained), split='all', boxes=boxes)
    assert found['lesions_by_split'] == {'train': TRAIN} and found['source'] == 'boxes'
    assert found['note'].startswith('n = 24 allows no claim')
    # Half of the patches are the frontal film's; 36 pixels are cut to 32.
    assert found['maps']['vdm']['pointing']['chance'] == pytest.approx(0.5 * (400 / 1024 * 36 / 32) ** 2, rel=0.02)


@pytest.mark.parametrize(
    'options, message',
    [
        (('--workdir=nowhere',), 'Expected a run in nowhere'),
        (('--workdir={trained}', '--boxes=none.json'), 'none.json'),
    ],
)
def test_a_wrong_call_is_explained(trained, options, message):
    done = run_main(*(option.format(trained=trained) for option in options), program=(SCRIPT,))
    assert done.returncode == 1 and 'Error: Expected' in done.stdout and message in done.stdout
    assert 'Traceback' not in done.stdout


def test_a_split_without_the_boxes_says_where_to_look(trained, tmp_path):
    boxes = tmp_path / 'boxes.json'
    boxes.write_text(json.dumps([{'id': 'another', 'finding': 'Mass', 'xywh_1024': [1, 1, 4, 4]}]))
    with pytest.raises(ValueError, match='found none; --split=all'):
        measure(open_trained(trained), boxes=boxes)
    with pytest.raises(ValueError, match="got 'tests'"):
        measure(open_trained(trained), split='tests')
