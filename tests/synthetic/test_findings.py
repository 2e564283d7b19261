import numpy as np
import pytest

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.synthetic.findings import OBSERVED, Finding, labels_of, sample_findings


def _positive(*kinds):
    labels = labels_of(tuple(Finding(kind) for kind in kinds))
    return {name for name, label in zip(OBSERVATIONS, labels, strict=True) if label}


@pytest.fixture(scope='module')
def sampled():
    rng = np.random.default_rng(0)
    return [sample_findings(rng) for _ in range(3000)]


def test_no_finding_allows_devices_and_variants_only():
    assert _positive() == {'No Finding'}
    assert _positive('pacemaker', 'scoliosis') == {'No Finding', 'Support Devices'}
    assert _positive('pacemaker', 'fracture') == {'Fracture', 'Support Devices'}


def test_pneumonia_is_an_opacity_too():
    assert _positive('pneumonia') == {'Pneumonia', 'Lung Opacity'}


def test_every_observation_can_be_found():
    found = {name for names in OBSERVED.values() for name in names}
    assert found | {'No Finding'} == set(OBSERVATIONS)


def test_prevalence_is_long_tailed_and_most_studies_are_normal(sampled):
    shares = dict(zip(OBSERVATIONS, np.mean([labels_of(one) for one in sampled], axis=0), strict=True))
    assert 0.5 < shares.pop('No Finding') < 0.6
    frequent = (
        'Cardiomegaly',
        'Lung Opacity',
        'Pleural Effusion',
        'Pneumothorax',
        'Support Devices',
    )
    assert all(0.07 < shares[name] < 0.25 for name in frequent)
    assert all(0.005 < shares[name] < 0.07 for name in set(shares) - set(frequent))


def test_findings_come_together(sampled):
    kinds = [{finding.kind for finding in one} for one in sampled]
    share = np.mean([bool('effusion' in one) for one in kinds])
    share_in_edema = np.mean([bool('effusion' in one) for one in kinds if 'edema' in one])
    assert share_in_edema > 3 * share


def test_no_lung_finding_is_hidden_under_fluid(sampled):
    with_fluid = [one for one in sampled if any(finding.kind == 'effusion' for finding in one)]
    assert with_fluid
    assert not any(finding.zone == 'lower' for one in with_fluid for finding in one)
