import numpy as np
import pytest

from camanet_jax.data.tokenizer import clean_iu_xray
from camanet_jax.labeling.label_files import positives
from camanet_jax.labeling.rule_labeler import label_reports
from camanet_jax.synthetic.findings import BILATERAL_SHARE, OBSERVED, Finding, labels_of, sample_findings
from camanet_jax.synthetic.reports import write_report
from camanet_jax.synthetic.wording import ABNORMAL, NORMAL, ORDERS, SECTIONS


def _report(*findings, seed=0):
    return write_report(findings, np.random.default_rng(seed))


@pytest.fixture(scope='module')
def written():
    rng = np.random.default_rng(1)
    studies = [sample_findings(rng) for _ in range(500)]
    return studies, [write_report(findings, rng) for findings in studies]


def test_weights_of_each_choice_sum_to_one_and_every_kind_has_a_section():
    for options in (*NORMAL.values(), *ABNORMAL.values(), ORDERS):
        assert sum(weight for weight, _ in options) == pytest.approx(1)
    assert {kind for kinds in SECTIONS.values() for kind in kinds} == set(OBSERVED) == set(ABNORMAL)
    assert all(set(order) == set(SECTIONS) for _, order in ORDERS)


@pytest.mark.parametrize('kind', ABNORMAL)
def test_every_wording_is_complete(kind):
    for side in ('left', 'bilateral') if kind in BILATERAL_SHARE else ('',):
        for seed in range(12):
            report = _report(Finding(kind, side, 'upper', 'large'), seed=seed)
            assert not set('{}') & set(report) and '  ' not in report and 'None' not in report
            assert side in report.lower()


def test_side_zone_and_size_are_said():
    report = _report(Finding('opacity', 'right', 'lower', 'small'))
    assert all(word in report for word in ('small', 'opacity', 'right', 'lower'))
    effusions = _report(Finding('effusion', 'bilateral', '', 'large'))
    assert 'arge bilateral pleural effusions' in effusions


def test_absent_findings_are_denied():
    assert 'pneumothorax' in _report(Finding('effusion', 'left', '', 'small'))
    assert 'no pleural effusion' in _report(Finding('pneumothorax', 'left', '', 'small')).lower()


def test_labeler_reads_the_labels_back(written):
    studies, reports = written
    labels = np.array([labels_of(findings) for findings in studies])
    for texts in (reports, [clean_iu_xray(report) for report in reports]):
        read = positives(label_reports(texts))
        assert 2 * (read * labels).sum() / (read.sum() + labels.sum()) > 0.97


def test_reports_are_of_realistic_length_and_varied(written):
    _, reports = written
    words = [clean_iu_xray(report).replace(' .', '').split() for report in reports]
    assert 30 < np.mean([len(text) for text in words]) < 55
    assert 150 < len({word for text in words for word in text}) < 350
    assert len(set(reports)) > 0.8 * len(reports)


def test_wording_and_order_of_a_normal_report_vary_but_not_without_limit():
    reports = [_report(seed=seed) for seed in range(200)]
    assert 40 < len(set(reports)) < 200
    assert len({report.split('.')[0] for report in reports}) > 4


def test_cleaner_keeps_every_sentence(written):
    _, reports = written
    for report in reports[:50]:
        assert clean_iu_xray(report).count(' .') == report.count('.')
