"""Published models: written from a run, opened like one, checked against their reference output."""

import json
import shutil
import sys
import types

import numpy as np
import pytest
from front_door import run_main, succeed

import camanet_jax
from camanet_jax.generate.check import OWN, check, main
from camanet_jax.generate.export import reference_films
from camanet_jax.generate.model_card import model_card
from camanet_jax.run.workdir import fetch, open_trained


@pytest.fixture(scope='module')
def published(trained, tmp_path_factory):
    """The tiny run, published by the command. Tests read it; those that write take a copy."""
    folder = tmp_path_factory.mktemp('published') / 'tiny-model'
    succeed('--workdir', str(trained), '--output', str(folder), program=('scripts/export_model.py',))
    return folder


@pytest.fixture
def copy(published, tmp_path):
    return shutil.copytree(published, tmp_path / 'copy')


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_it_writes_what_the_run_writes(trained, published):
    reporters = [camanet_jax.load(str(folder)) for folder in (trained, published)]
    films = reference_films(reporters[0].config)[None]
    (ours,), (theirs,) = (reporter.generate(films) for reporter in reporters)
    assert ours.report == theirs.report and ours.log_prob == theirs.log_prob
    assert reporters[0].step == reporters[1].step and check(published) == 0


def test_nothing_in_it_is_code_and_no_path_is_of_this_machine(trained, published):
    files = {str(path.relative_to(published)) for path in published.rglob('*') if path.is_file()}
    assert files == {'README.md', 'config.json', 'vocabulary.json', 'model.safetensors'} | {
        f'reference/{name}' for name in ('report.json', '0.png', '1.png')
    }
    config = json.loads((trained / 'config.json').read_text())
    for name in ('README.md', 'config.json', 'reference/report.json'):
        text = (published / name).read_text()
        assert config['data_dir'] not in text and trained.name not in text


def test_the_card_has_scores_with_their_protocol(trained, published):
    card = (published / 'README.md').read_text()
    scores = json.loads((trained / 'scores.json').read_text())['test']
    assert card.startswith('---\nlibrary_name: camanet_jax\n') and 'Not for clinical use' in card
    low, high = scores['intervals']['cut']['BLEU_1']
    row = next(line for line in card.splitlines() if line.startswith('| BLEU_1 '))
    assert f'{scores["cut"]["BLEU_1"]:.4f} | [{low:.4f}, {high:.4f}]' in row
    assert f'{scores["constant_baseline"]["BLEU_1"]:.4f}' in row
    assert scores['cleaning']['cut']['rules_sha256'][:12] in card and 'F1 under every convention' in card


def test_a_run_that_was_not_scored_and_needs_other_files_says_so(trained):
    config = json.loads((trained / 'config.json').read_text())
    config['loss']['extra'] = ['mine.py:loss']
    card = model_card('x', config, {'params/a': np.zeros(3), 'batch_stats/b': np.zeros(2)}, 7, None)
    assert 'has not been scored' in card and 'not in this folder: mine.py:loss.' in card
    assert [line for line in card.splitlines() if 'Parameters' in line][0].split() == ['|', 'Parameters', '|', '3', '|']


def test_a_configuration_of_an_earlier_version_is_completed(copy):
    config = json.loads((copy / 'config.json').read_text())
    del config['matmul_precision'], config['model']['vdm_bias']
    (copy / 'config.json').write_text(json.dumps(config))
    assert open_trained(copy).experiment.config.model.vdm_bias is False


def test_other_weights_are_refused(copy):
    edit(copy / 'config.json', model=json.loads((copy / 'config.json').read_text())['model'] | {'width': 32})
    with pytest.raises(ValueError, match=r'model.safetensors: expected the \d+ arrays .* \d+ differ, such as params/'):
        open_trained(copy)
    (copy / 'model.safetensors').write_bytes(b'no weights')
    with pytest.raises(ValueError, match='model.safetensors: cut short, damaged'):
        open_trained(copy)


@pytest.mark.parametrize('name', ['model.safetensors', 'vocabulary.json'])
def test_damage_is_noticed_where_it_is_opened(copy, name):
    if name == 'vocabulary.json':
        saved = json.loads((copy / name).read_text())
        saved['words'][:2] = saved['words'][1::-1]
        (copy / name).write_text(json.dumps(saved))
    else:
        content = bytearray((copy / name).read_bytes())
        content[-1] ^= 1
        (copy / name).write_bytes(content)
    with pytest.raises(ValueError, match='copy: expected model.safetensors and vocabulary.json as they were published'):
        open_trained(copy)


def test_training_does_not_go_on_in_it(copy, tiny_arguments):
    done = run_main(f'--workdir={copy}', *tiny_arguments)
    assert done.returncode == 1 and 'holds a converted or published model' in done.stdout


def test_another_output_is_told(copy):
    path = copy / 'reference/report.json'
    saved = json.loads(path.read_text())
    edit(path, word_log_probs=[value - 0.1 for value in saved['word_log_probs']])
    with pytest.raises(ValueError, match='the report is the same, but probabilities differ by 0.1 from'):
        check(copy)
    edit(path, report='another report .')
    with pytest.raises(ValueError, match='expected the report\n  another report .\ngot\n'):
        check(copy)
    shutil.rmtree(copy / 'reference')
    with pytest.raises(ValueError, match='expected a published model with reference/report.json'):
        check(copy)


def test_what_commands_have_written_into_it_since_is_told(copy, capsys):
    main([str(copy)])
    assert 'also holds' not in capsys.readouterr().err
    (copy / 'predictions').mkdir()
    (copy / 'scores.json').write_text('{}')
    main([str(copy)])
    assert 'also holds predictions, scores.json. Remove before uploading' in capsys.readouterr().err


def test_the_packages_own_model():
    assert sum(path.stat().st_size for path in OWN.rglob('*') if path.is_file()) < 1e6
    check(OWN)


def test_the_hub(monkeypatch, published):
    asked = {}

    def snapshot_download(repository, **options):
        asked.update(options, repository=repository)
        if repository == 'owner/none':
            raise FileNotFoundError('no such repository')
        return str(published)

    class HfHubHTTPError(Exception):
        pass

    hub = types.SimpleNamespace(
        snapshot_download=snapshot_download, errors=types.SimpleNamespace(HfHubHTTPError=HfHubHTTPError)
    )
    monkeypatch.setitem(sys.modules, 'huggingface_hub', hub)
    assert fetch('hf://owner/name@v1') == published and fetch(published) == published
    assert asked['repository'] == 'owner/name' and asked['revision'] == 'v1'
    assert not any('pkl' in pattern or pattern == '*' for pattern in asked['allow_patterns'])
    with pytest.raises(ValueError, match='hf://owner/none: cannot be fetched'):
        fetch('hf://owner/none')
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    with pytest.raises(ValueError, match='hf://owner/name: needs huggingface_hub: pip install huggingface_hub'):
        fetch('hf://owner/name')
