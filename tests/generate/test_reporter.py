"""The Python interface: load, look, write reports."""

import dataclasses

import numpy as np
import pytest
from front_door import best_step
from PIL import Image

import camanet_jax
from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.generate.reporter import Reporter
from camanet_jax.generate.study_list import list_studies
from camanet_jax.run.workdir import open_trained

SIDE = 32  # pixels


@pytest.fixture(scope='module')
def reporter(trained):
    return camanet_jax.load(trained)


@pytest.fixture(scope='module')
def films() -> np.ndarray:
    """Three studies of noise."""
    return np.random.default_rng(0).integers(0, 256, (3, 2, SIDE, SIDE)).astype(np.uint8)


@pytest.fixture(scope='module')
def reports(reporter, films):
    return reporter.generate(films)


def test_a_run_tells_its_configuration_words_and_step(reporter, trained):
    assert reporter.config.model.width == 16 and reporter.config.variant == 'paper'
    assert '<unk>' in reporter.vocabulary and list(reporter.vocabulary) == sorted(reporter.vocabulary)
    assert reporter.step == best_step(trained)


def test_reports_come_with_what_is_known_about_them(reporter, films, reports):
    assert len(reports) == 3
    for report, study in zip(reports, films, strict=True):
        assert set(report.words) <= set(reporter.vocabulary) and ' '.join(report.words) == report.report
        assert report.log_prob < 0
        scores = [report.log_prob, *(score for _, score in report.alternatives)]
        assert scores == sorted(scores, reverse=True) and len(scores) <= 3
        assert list(report.class_probabilities) == list(OBSERVATIONS)
        np.testing.assert_array_equal(report.images, study)


def test_explanations_have_a_map_for_every_word(reports):
    for report in reports:
        found, words = report.explanation, len(report.words)
        maps = 2, 4, 4  # views, height, width
        assert found.predicting_attention.shape == found.reading_attention.shape == (words, *maps)
        assert found.cams.shape == (14, *maps) and found.vdm.shape == found.tdm.shape == maps
        assert found.log_probs.shape == found.word_similarity.shape == (words,)
        np.testing.assert_allclose(found.predicting_attention.sum((1, 2, 3)), 1, rtol=1e-5)
        assert len(found.selected) == -(-words // 4)  # a quarter, rounded up
        most_similar = np.sort(found.word_similarity)[::-1][: len(found.selected)]
        np.testing.assert_array_equal(found.word_similarity[found.selected], most_similar)


def test_a_study_gets_the_same_report_in_any_company(reporter, films, reports):
    many = np.concatenate([films] * 3)  # more than one batch of the evaluation
    found = reporter.generate(many)
    assert [report.report for report in found] == [report.report for report in reports] * 3


def test_one_beam_is_greedy_and_has_no_alternatives(reporter, films):
    (report,) = reporter.generate(films[:1], beam_size=1)
    assert report.alternatives == []
    assert np.isfinite(report.log_prob)


def test_the_configuration_lets_the_search_alone_compute_in_integers(trained, films, reports):
    run = open_trained(trained)
    config = run.experiment.config.copy_and_resolve_references()
    config.search.int8 = True
    changed = dataclasses.replace(run.experiment, config=config)
    found = Reporter(dataclasses.replace(run, experiment=changed)).generate(films)
    same = [(a, b) for a, b in zip(found, reports, strict=True) if a.report == b.report]
    assert same
    for rounded, exact in same:
        assert rounded.log_prob != exact.log_prob
        assert rounded.log_prob == pytest.approx(exact.log_prob, rel=0.05)
        assert rounded.word_log_probs == exact.word_log_probs


def test_sampled_reports_are_drawn_by_study_whatever_the_batches(trained, films, tmp_path):
    run = open_trained(trained)
    config = run.experiment.config.copy_and_resolve_references().unlock()
    config.search = {'name': 'sample', 'beam_size': 2}
    drawn = []
    for config.evaluation.batch_size in (2, 4):
        changed = dataclasses.replace(run.experiment, config=config.copy_and_resolve_references())
        reporter = Reporter(dataclasses.replace(run, experiment=changed))
        drawn.append([report.report for report in reporter.generate(films[[0, 1, 0, 1]])])
        assert drawn[-1][0] != drawn[-1][2]
    assert drawn[0] == drawn[1]

    for number, film in enumerate(films[[0, 1, 0, 1], 0]):
        Image.fromarray(film).save(tmp_path / f'{number}.png')
    studies = list_studies([tmp_path], views=2)
    whole = [report.report for _, report in reporter.stream(studies)]
    rest = [report.report for _, report in reporter.stream(studies[1:], of=len(studies))]
    assert whole[1:] == rest and whole[0] != whole[2]


def test_files_are_read_resized_and_checked(reporter, tmp_path):
    names = tmp_path / 'frontal.png', tmp_path / 'lateral.jpg'
    for name in names:
        Image.fromarray(np.eye(50, 70, dtype=np.uint8) * 99).save(name)
    assert reporter.load(names).shape == (2, SIDE, SIDE)
    with pytest.raises(ValueError, match=r'Expected 2 image file\(s\) per study, got 1'):
        reporter.generate([names[0]], missing_view='refuse')
    with pytest.raises(ValueError, match=r'Expected uint8 films of shape \[studies, 2, 32, 32\], got float32'):
        reporter.generate(np.zeros((1, 2, SIDE, SIDE), np.float32))
    with pytest.raises(ValueError, match=r'got uint8 \[1, 1, 32, 32\]'):
        reporter.generate(np.zeros((1, 1, SIDE, SIDE), np.uint8))


def test_no_studies_no_reports(reporter, films):
    assert reporter.generate([]) == reporter.generate(films[:0]) == []
