"""ReXrank's inference with a reporter that needs no model, and the boxes of RadFact's sentences."""

import json
import math
import types

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from camanet_jax.configuration import completed
from camanet_jax.generate import rexrank
from camanet_jax.generate.generate import SOME_FAILED
from camanet_jax.generate.rexrank import grounded_sentences, plain_sentences
from camanet_jax.run.files import sole_writer


class Reporter:
    """Reports the names of the films it is given; stops before a study named `stop`, cannot read one named `broken`."""

    stops = True
    run = 'first model'
    config = types.SimpleNamespace(data=types.SimpleNamespace(views=2, eval_transform='official'))

    def stream(self, studies):
        for study in studies:
            if self.stops and study.id == 'stop':
                raise KeyboardInterrupt
            names = ' '.join(path.name for path in study.paths)
            look = types.SimpleNamespace(predicting_attention=np.ones((1, 2, 4, 4)))
            report = types.SimpleNamespace(report=names, words=['seen'], explanation=look)
            yield study, ValueError('no film') if study.id == 'broken' else report


@pytest.fixture
def predict(monkeypatch, tmp_path):
    """Runs the inference over studies of films by name; those with an exclamation mark are not there."""
    monkeypatch.setattr(rexrank, 'load', lambda workdir: Reporter())
    monkeypatch.setattr(rexrank, 'made_by', lambda run, **options: completed({'checkpoint': run, 'generate': options}))

    def run(studies, **options):
        content = {}
        for name, films in studies.items():
            paths = [film.strip('!') for film, _ in films]
            content[name] = {
                'image_path': paths,
                'key_image_path': paths[-1],
                'frontal_lateral': [side for _, side in films],
                'section_findings': math.nan,
                'section_impression': 'Normal.',
            }
            for film, _ in films:
                if '!' not in film:
                    Image.new('L', (8, 8)).save(tmp_path / film, 'PNG')
        (tmp_path / 'in.json').write_text(json.dumps(content))
        code = rexrank.predict(tmp_path / 'in.json', tmp_path / 'out.json', tmp_path, tmp_path, **options)
        return code, json.loads((tmp_path / 'out.json').read_text())

    return run


FILMS = {
    'two': [('a', 'Lateral'), ('b', 'Frontal')],
    'four': [('c', 'Frontal'), ('d', 'Lateral'), ('e', 'Frontal'), ('f', 'Lateral')],
    'one is missing': [('g!', 'Frontal'), ('h', 'Lateral')],
}


def test_frontal_and_key_films_come_first_and_missing_ones_are_passed_over(predict):
    code, found = predict(FILMS)
    predictions = {name: study['model_prediction'] for name, study in found.items()}
    assert predictions == {'two': 'Findings: b a', 'four': 'Findings: c d', 'one is missing': 'Findings: h'}
    assert code == 0 and math.isnan(found['two']['section_findings'])


def test_studies_without_films_have_no_prediction(predict):
    code, found = predict({'two': FILMS['two'], 'broken': FILMS['two'], 'nothing': [('x!', 'Frontal')]})
    assert code == SOME_FAILED
    assert [name for name, study in found.items() if 'model_prediction' in study] == ['two']


@pytest.mark.parametrize('fields', [{}, dict.fromkeys(('image_path', 'key_image_path', 'frontal_lateral'), math.nan)])
def test_a_study_without_fields_of_films_has_none(fields, tmp_path):
    assert rexrank.films(fields, tmp_path, 2) == ()


def test_every_study_is_saved_and_a_second_call_goes_on(predict, tmp_path, monkeypatch):
    studies = {'two': FILMS['two'], 'stop': FILMS['two']}
    with pytest.raises(KeyboardInterrupt):
        predict(studies)
    saved = json.loads((tmp_path / 'out.json').read_text())
    assert saved['two']['model_prediction'] == 'Findings: b a' and 'model_prediction' not in saved['stop']
    monkeypatch.setattr(Reporter, 'stops', False)
    Image.new('L', (8, 8)).save(tmp_path / 'c', 'PNG')
    predictions = predict(studies | {'two': [('c', 'Frontal')]})[1]
    assert predictions['stop']['model_prediction'] == 'Findings: b a'
    assert predictions['two']['model_prediction'] == 'Findings: b a', 'it was there before'
    with pytest.raises(ValueError, match='expected studies of .*in.json, got others'):
        predict({'later': FILMS['two']})


def test_predictions_of_two_models_are_not_mixed(predict, tmp_path, monkeypatch):
    assert predict({'two': FILMS['two']}, write=str.upper)[1]['two']['model_prediction'] == 'Findings: B A'
    with pytest.raises(ValueError, match='out.json: its reports were made differently:\n  generate.recase: True then'):
        predict(FILMS)
    monkeypatch.setattr(Reporter, 'run', 'second model')
    with pytest.raises(ValueError, match="checkpoint: 'first model' then, 'second model' now"):
        predict(FILMS, write=str.upper)
    (tmp_path / 'out.json.made_by.json').unlink()
    with pytest.raises(ValueError, match=r"checkpoint: '\(absent\)' then"):
        predict(FILMS, write=str.upper)
    (tmp_path / 'in.json').write_text((tmp_path / 'out.json').read_text())
    rexrank.predict(tmp_path / 'in.json', tmp_path / 'new.json', tmp_path, tmp_path)
    assert json.loads((tmp_path / 'new.json').read_text())['two']['model_prediction'] == 'Findings: b a'


@pytest.mark.parametrize('field', [5, [5], [['a.png']], {'a': 1}])
def test_films_without_names_are_refused(field, predict, tmp_path):
    study = {'section_findings': 'Clear.', 'section_impression': None, 'image_path': field}
    (tmp_path / 'in.json').write_text(json.dumps({'odd': study}))
    with pytest.raises(ValueError, match='in.json: expected image_path to be a list of file names, got 1 other: odd: '):
        rexrank.predict(tmp_path / 'in.json', tmp_path / 'out.json', tmp_path, tmp_path)


@pytest.mark.parametrize('names', [('in.json', 'in.json'), ('in.json', 'out.json', 'out.json')])
def test_what_is_written_has_a_file_of_its_own(names, tmp_path):
    source, output, *radfact = (tmp_path / name for name in names)
    with pytest.raises(ValueError, match='Expected a file each'):
        rexrank.predict(source, output, tmp_path, tmp_path, None, *radfact)


@pytest.mark.parametrize('content', [5, {'a': 1}, [5], [{'a': 1}]])
def test_other_files_are_no_sentences_for_radfact(content, predict, tmp_path):
    (tmp_path / 'radfact.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match="radfact.json: expected RadFact's sentences"):
        predict({'two': FILMS['two']}, radfact=tmp_path / 'radfact.json')


def test_sentences_for_radfact(predict, tmp_path):
    path = tmp_path / 'radfact.json'
    predict({'two': FILMS['two']}, radfact=path)
    predict({'two': FILMS['two'], 'later': FILMS['two']}, radfact=path)
    sentence = {'text': 'seen.', 'boxes': None}
    assert json.loads(path.read_text()) == [
        {'example_id': name, 'prediction': [sentence], 'target': []} for name in ('two', 'later')
    ]
    path.unlink()
    with pytest.raises(ValueError, match='radfact.json: lacks 2 studies of .*out.json'):
        predict(FILMS | {'later': FILMS['two']}, radfact=path)


@pytest.mark.parametrize('written', ['out.json', 'radfact.json'])
def test_two_processes_on_one_output_are_refused(predict, tmp_path, written):
    options = {'radfact': tmp_path / 'radfact.json'}
    with sole_writer(tmp_path / written, 'writing predictions', a_file=True):
        with pytest.raises(ValueError, match=f'{written} is in use: another process is writing predictions there'):
            predict({'two': FILMS['two']}, **options)
    assert predict({'two': FILMS['two']}, **options)[0] == 0


WHOLE = ConfigDict({'eval_transform': 'official', 'image_size': 224, 'resize_size': 256})
MIDDLE = ConfigDict({'eval_transform': 'paper', 'image_size': 128, 'resize_size': 256})


def bright(*places):
    """Maps of one word each over two films of 4 x 8 places: bright at (row, column) of the first film."""
    maps = np.full((len(places), 2, 4, 8), 0.1)
    for values, (row, column) in zip(maps, places, strict=True):
        values[0, row, column] = 1.0
        values[1, 0, 0] = 5.0  # the other film counts nowhere
    return maps


def test_a_box_around_the_places_where_the_words_of_a_sentence_looked():
    words = ['left', 'effusion', '.', 'clear', '.']
    maps = bright((1, 2), (1, 3), (0, 0), (3, 7), (0, 0))
    maps[1, 0, 3, 7] = 0.9  # bright too, but apart from the brightest
    first, second = grounded_sentences(words, maps, (100, 100), WHOLE)
    assert first == {'text': 'left effusion.', 'boxes': [{'x_min': 0.25, 'y_min': 0.25, 'x_max': 0.5, 'y_max': 0.5}]}
    assert second['boxes'] == [{'x_min': 0.875, 'y_min': 0.75, 'x_max': 1.0, 'y_max': 1.0}]


def test_what_the_crop_left_out_stays_outside():
    (found,) = grounded_sentences(['x'], bright((0, 0)), (200, 100), MIDDLE)
    # Seen are the middle half of the height and the middle quarter of the width.
    assert found['boxes'] == [{'x_min': 0.375, 'y_min': 0.25, 'x_max': pytest.approx(0.4062, abs=1e-4), 'y_max': 0.375}]


def test_even_attention_has_no_box_and_no_words_no_sentence():
    assert grounded_sentences(['x', '.', '.'], np.ones((3, 1, 4, 4)), (9, 9), WHOLE) == [{'text': 'x.', 'boxes': None}]
    assert grounded_sentences([], np.ones((0, 1, 4, 4)), (9, 9), WHOLE) == []
    assert plain_sentences(' A 1.5 cm nodule.  Clear? ') == [
        {'text': 'A 1.5 cm nodule.', 'boxes': None},
        {'text': 'Clear?', 'boxes': None},
    ]
