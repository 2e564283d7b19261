"""Systems as changes of a configuration."""

import pytest

from camanet_jax.configuration import fill_variant, recipe
from camanet_jax.lab.ablation.systems import SYSTEMS, system_config, system_fields


def test_every_system_makes_a_configuration():
    for name in SYSTEMS:
        config = system_config(recipe('ablation'), name, 0)
        assert len(config.loss.extra) == len(config.loss.extra_weights)
        assert config.model.vtac or not name.startswith('camanet')


def test_seeds_follow_the_configurations_own():
    config = recipe('ablation')
    assert [system_config(config, 'camanet', seed).seed for seed in (0, 2)] == [config.seed, config.seed + 2]
    assert config.variant == 'paper' and config.model.vdmae  # what came in is as it was


def test_losses_in_vtacs_place_have_its_weight_and_those_beyond_the_paper_their_own():
    own_words, aligned = (system_config(recipe('ablation'), name, 0).loss for name in ('own_words', 'aligned'))
    assert own_words.vtac_weight == aligned.vtac_weight == 0
    assert own_words.extra_weights == (recipe('ablation').loss.vtac_weight,) and aligned.extra_weights == (0.02, 0.02)


def test_a_share_of_words_is_part_of_the_name():
    assert system_config(recipe('ablation'), 'camanet_k0.15', 0).loss.topk == 0.15
    official = system_config(recipe('ablation'), 'camanet_official_k0.3', 0)
    assert official.loss.topk == 0.3 and official.variant == 'official'


def test_official_fills_the_variants_fields():
    config = system_config(recipe('ablation'), 'camanet_official', 0)
    assert config.model.tdm_query == 'first_visual' and config.loss.tdm_count == 'official'
    # Images and schedule stay: the variants then share one Base.
    assert config.data.eval_transform == 'paper' and config.optimiser.schedule_lag == 0


@pytest.mark.parametrize('name', ['camant', 'base_k0.2', 'vdmae_k0.2', 'camanet_k25', ''])
def test_an_unknown_system_is_an_error_that_names_those_there_are(name):
    with pytest.raises(ValueError, match='camanet_official.*got'):
        system_fields(name)


@pytest.mark.parametrize(
    ('name', 'changed', 'own'),
    [('base', 'iu_xray', 'base'), ('vdmae', 'iu_xray', 'vdmae'), ('clip_0.1', 'mimic', 'clip')],
)
def test_systems_are_those_of_the_configuration_files(name, changed, own):
    changed = recipe(changed).copy_and_resolve_references()
    changed.update_from_flattened_dict(system_fields(name))
    assert changed.model == recipe(own).model and changed.loss == recipe(own).loss


def test_the_system_with_all_parts_beyond_the_paper_is_that_of_its_configuration_file():
    system, own = system_config(recipe('iu_xray'), 'peaked_aligned', 0), fill_variant(recipe('alignment'))
    assert system.model == own.model and system.loss == own.loss
