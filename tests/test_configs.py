"""Every configuration makes a model, an optimiser and a step of the right shapes; sizes are the paper's."""

import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from front_door import ROOT

from camanet_jax.configuration import (
    VARIANTS,
    as_data,
    completed,
    fill_variant,
    from_data,
    load_file,
    recipe,
    refuse_changes,
)
from camanet_jax.data.tokenizer import UNKNOWN, Tokenizer
from camanet_jax.experiment import Experiment
from camanet_jax.train_step import init_state, train_step

NAMES = sorted(path.stem for path in (ROOT / 'configs').glob('*.py') if path.stem != '__init__')
IU_WORDS, MIMIC_WORDS = 760, 4335


def load(name: str, **changes):
    """A configuration by name, resolved."""
    config = recipe(name)
    config.update_from_flattened_dict(changes)
    return fill_variant(config)


def experiment(config, words: int = IU_WORDS) -> Experiment:
    """With a vocabulary of that many words."""
    known = UNKNOWN, *(f'word{number}' for number in range(words - 1))
    return Experiment(config, Tokenizer(known, config.data.cleaner))


def parameters(found: Experiment) -> int:
    """How many numbers the model learns."""
    batch = found.example_batch()
    shapes = jax.eval_shape(found.model().init, jax.random.key(0), batch['images'], batch['tokens'][:, :-1])
    return sum(leaf.size for leaf in jax.tree.leaves(shapes['params']))


@pytest.mark.parametrize('name', NAMES)
def test_a_step_keeps_the_state_and_gives_scalars(name):
    # Tracing the gradient of DenseNet-121 takes seconds: once is enough.
    found = experiment(load(name, **({} if name == 'mimic' else {'model.backbone_options.blocks': (1, 1, 1, 1)})))
    model, tx, config = found.model(), found.optimiser(), found.config
    batch = {
        key: jax.ShapeDtypeStruct((config.batch_size, *value.shape[1:]), value.dtype)
        for key, value in (
            found.example_batch()
            | {
                'token_mask': np.zeros((1, config.data.max_seq_length), np.float32),
                'labels': np.zeros((1, 14), np.float32),
                'valid': np.zeros(1, bool),
            }
        ).items()
    }
    state = jax.eval_shape(lambda: init_state(model, tx, jax.random.key(0), found.example_batch()))
    new, metrics = jax.eval_shape(
        lambda *given: train_step(*given, model=model, tx=tx, accumulate=config.accumulate),
        state,
        batch,
        jax.random.key(0),
        found.loss_weights(),
        found.learning_rates(0, 10),
    )
    assert new == state
    assert all(value.shape == () for value in metrics.values())
    assert config.loss.contrastive_weight == 0 or 'contrastive' in metrics


@pytest.mark.parametrize('name', NAMES)
def test_every_configuration_makes_a_model_and_passes_its_checks(name):
    found = experiment(load(name))
    if not found.config.loss.extra:  # these read the data
        found.check()
    assert parameters(found) > 1e5


@pytest.mark.parametrize(
    ('name', 'words', 'count'),
    [('iu_xray', IU_WORDS, 42_421_383), ('base', IU_WORDS, 42_402_937), ('mimic', MIMIC_WORDS, 46_085_758)],
)
def test_parameter_counts_are_the_papers(name, words, count):
    assert parameters(experiment(load(name), words)) == count


@pytest.mark.parametrize('variant', VARIANTS)
def test_a_variant_fills_only_what_is_none(variant):
    empty = recipe('mimic')
    empty.variant = variant
    filled = fill_variant(empty)
    for path, value in VARIANTS[variant].items():
        *section, field = path.split('.')
        before, after = (config[section[0]] if section else config for config in (empty, filled))
        assert before[field] is None
        expected = 'official_mimic' if (field, value) == ('train_augment', 'official') else value
        assert after[field] == expected
        filled.unlock()
        after[field] = None
    assert filled.to_json() == empty.to_json()


def test_a_field_that_is_set_stays_under_any_variant():
    config = load('iu_xray', **{'variant': 'official', 'model.vdm_norm': 'class', 'optimiser.schedule_lag': 0})
    assert (config.model.vdm_norm, config.optimiser.schedule_lag) == ('class', 0)
    assert (config.model.tdm_norm, config.data.train_augment) == ('map', 'official_iu')


def test_an_unknown_variant_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"one of \['official', 'paper'\], got 'published'"):
        load('mimic', variant='published')


@pytest.mark.parametrize('name', NAMES)
def test_a_system_without_a_classifier_asks_for_no_labels(name):
    config = load(name)
    assert config.model.vdmae or not config.data.options.labels_required


def test_deltas_are_short():
    """One configuration is complete, the others change it."""
    for name in set(NAMES) - {'mimic'}:
        assert len((ROOT / 'configs' / f'{name}.py').read_text().splitlines()) < 40


def test_every_configuration_has_the_fields_that_others_rely_on():
    for name in NAMES:
        config = load(name)
        assert {'seed', 'epochs', 'batch_size', 'data_dir', 'variant'} <= set(config)
        assert Path(config.data_dir).parts[0] == 'data'


def test_a_recipe_is_found_from_any_folder_and_its_neighbours_can_be_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', [*sys.path])
    assert recipe('configs/base.py') == recipe('base')
    (tmp_path / 'shorter.py').write_text('EPOCHS = 2\n')
    (tmp_path / 'mine.py').write_text(
        'import shorter\n\nfrom camanet_jax.configuration import recipe\n\n\n'
        "def get_config():\n    config = recipe('base')\n    config.epochs = shorter.EPOCHS\n    return config\n"
    )
    assert recipe(tmp_path / 'mine.py').epochs == 2
    with pytest.raises(ValueError, match=r'one of the recipes ablation, .*base, .*vdmae \(in .*\); got configs/iu.py'):
        recipe('configs/iu.py')


@pytest.mark.parametrize(
    ('parts', 'losses', 'vtac', 'bias', 'network'),
    [
        ('mass', ['mass'], True, False, 'Camanet'),
        ('class_words,peaked', ['ClassWords'], False, False, 'PeakedCamanet'),
        ('vdm_bias', [], False, True, 'Camanet'),
    ],
)
def test_parts_beyond_the_paper_are_chosen_after_a_colon(parts, losses, vtac, bias, network):
    config = fill_variant(load_file(ROOT / 'configs' / 'alignment.py').get_config(parts))
    assert [name.split(':')[1] for name in config.loss.extra] == losses
    assert config.loss.extra_weights == (0.02,) * len(losses) and config.loss.vtac_weight == 0
    assert (config.model.vtac, config.model.vdm_bias, config.model.network.split(':')[1]) == (vtac, bias, network)
    assert parameters(experiment(config)) > 1e5


def test_an_unknown_part_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="among mass, class_words, vdm_bias, peaked after the colon, got 'masses'"):
        load_file(ROOT / 'configs' / 'alignment.py').get_config('peaked,masses')


def test_a_field_that_an_older_run_lacks_differs_only_where_it_has_another_value_than_by_default():
    newer = as_data(load('demo'))
    older = newer | {'data': {name: value for name, value in newer['data'].items() if name != 'section'}}
    refuse_changes(completed(older), newer, 'made so', 'Undo it.')
    newer['data']['section'] = 'impression'
    with pytest.raises(ValueError, match=r"^made so:\n  data.section: '' in the workdir, 'impression' now\nUndo it.$"):
        refuse_changes(completed(older), newer, 'made so', 'Undo it.')
    with pytest.raises(ValueError, match=r"data.section: '\(absent\)' then, 'impression' here"):
        refuse_changes(older, newer, '', '', then='then', now='here')


def test_a_run_from_before_a_field_is_read_with_its_default():
    config = load('demo', **{'model.cam_classes': ('Edema',)})
    older = as_data(config)
    del older['model']['network'], older['model']['image_mean'], older['data']['extras']
    assert from_data(older) == from_data(as_data(config)) == config


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('epochs', 0),
        ('accumulate', 0),
        ('data.max_seq_length', 2),
        ('model.width', 0),
        ('model.memory_slots', -1),
        ('model.decoder_layers', 0),
        ('model.dropout', 1.0),
        ('model.projection_dropout', 1.0),
        ('model.tdm_temperature', 0.0),
        ('loss.topk', 5.0),
        ('optimiser.lr_decoder', float('nan')),
        ('optimiser.decay_epochs', 0),
        ('optimiser.clip_value', -1.0),
        ('optimiser.b2', 2.0),
        ('loss.pseudo_label_weight', float('nan')),
    ],
)
def test_a_number_out_of_its_range_is_told_before_anything_is_begun(field, value):
    config = recipe('demo')
    config.update_from_flattened_dict({field: value})
    with pytest.raises(ValueError, match=f'Expected {field} from .* got {value}'):
        fill_variant(config)


def test_heads_share_the_width():
    config = recipe('demo')
    config.model.heads = 7
    with pytest.raises(ValueError, match='Expected model.width as a multiple of model.heads, got .* and 7'):
        fill_variant(config)
