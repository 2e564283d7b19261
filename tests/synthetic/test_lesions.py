import numpy as np
import pytest

from camanet_jax.synthetic.anatomy import sample_anatomy
from camanet_jax.synthetic.film import pose_view
from camanet_jax.synthetic.findings import BILATERAL_SHARE, OBSERVED, Finding
from camanet_jax.synthetic.frontal import draw_frontal
from camanet_jax.synthetic.lateral import draw_lateral
from camanet_jax.synthetic.lesions import add_finding, grow_anatomy

DRAW = {'frontal': draw_frontal, 'lateral': draw_lateral}
LUNG_KINDS = ('opacity', 'consolidation', 'pneumonia', 'atelectasis', 'nodule')


def _show(kind, view='frontal', side='left', zone='mid', size='moderate', seed=11):
    """The film without and with a finding, and the finding's mask."""
    finding = Finding(kind, side if kind in BILATERAL_SHARE else '', zone, size)
    healthy = sample_anatomy(np.random.default_rng(3))
    anatomy = grow_anatomy(healthy, (finding,))
    before, film = (DRAW[view](one, pose_view(view, 96, np.random.default_rng(5))) for one in (healthy, anatomy))
    after, mask = add_finding(film, anatomy, finding, seed)
    return before, after, mask > 0.3


@pytest.mark.parametrize('view', DRAW)
@pytest.mark.parametrize('kind', [kind for kind, names in OBSERVED.items() if names])
def test_every_observation_has_a_mask_where_the_film_is_changed(kind, view):
    before, after, mask = _show(kind, view)
    assert mask.sum() >= 12
    change = np.abs(after.attenuation - before.attenuation)
    assert change[mask].mean() > 0.02
    assert change[mask].mean() > 2 * change[~mask].mean()


@pytest.mark.parametrize('kind', [kind for kind, names in OBSERVED.items() if not names])
def test_variants_change_the_film_but_have_no_mask(kind):
    before, after, mask = _show(kind)
    assert not mask.any()
    assert np.abs(after.attenuation - before.attenuation).max() > 0.1


@pytest.mark.parametrize('side, sign', [('right', -1), ('left', 1)])
@pytest.mark.parametrize('kind', [*LUNG_KINDS, 'effusion', 'pneumothorax', 'thickening', 'fracture'])
def test_finding_lies_on_its_side(kind, side, sign):
    before, _, mask = _show(kind, side=side)
    assert np.all(np.sign(before.view.u[mask]) == sign)


def test_bilateral_finding_shows_on_both_sides():
    before, _, mask = _show('effusion', side='bilateral')
    assert (before.view.u[mask] < 0).any() and (before.view.u[mask] > 0).any()


@pytest.mark.parametrize('kind', LUNG_KINDS)
def test_finding_lies_at_one_height_in_both_views(kind):
    heights = []
    for name in DRAW:
        before, _, mask = _show(kind, name)
        heights.append(before.view.v[mask].mean())
    assert heights[0] == pytest.approx(heights[1], abs=0.12)


@pytest.mark.parametrize('kind', LUNG_KINDS)
def test_zones_lie_below_each_other(kind):
    heights = []
    for zone in ('upper', 'mid', 'lower'):
        before, _, mask = _show(kind, zone=zone)
        heights.append(before.view.v[mask].mean())
    assert heights == sorted(heights)


@pytest.mark.parametrize('kind', ['cardiomegaly', 'opacity', 'effusion', 'pneumothorax'])
def test_larger_findings_cover_more(kind):
    areas = [_show(kind, size=size)[2].sum() for size in ('small', 'moderate', 'large')]
    assert areas[0] < areas[1] < areas[2]


def test_fluid_is_brighter_and_free_air_darker():
    for kind, sign in (('effusion', 1), ('pneumothorax', -1)):
        before, after, mask = _show(kind)
        assert sign * (after.attenuation - before.attenuation)[mask].mean() > 0.1
