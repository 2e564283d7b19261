"""report.html: what every run leaves, and what is made later from its files."""

import json
import re
import shutil

import numpy as np
import pytest
from front_door import best_step, succeed

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.experiment import open_split
from camanet_jax.reporting.run_report import report_of
from camanet_jax.run.workdir import open_trained


def page_data(page: str) -> dict:
    """What the page's program reads."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


@pytest.fixture(scope='module')
def rows(trained):
    with (trained / 'predictions' / 'test.jsonl').open() as file:
        return [json.loads(line) for line in file]


@pytest.fixture(scope='module')
def studies(trained):
    return page_data((trained / 'report.html').read_text())['studies']


def test_a_finished_run_shows_every_study_of_the_test_split(studies, rows):
    assert [study['id'] for study in studies] == [row['id'] for row in rows]
    for study, row in zip(studies, rows, strict=True):
        assert ' '.join(study['words']) == row['report'] and study['reference'] == row['reference_full']
        assert len(study['films']) == 2 and study['maps']['word']['shape'] == [len(study['words']), 2, 4, 4]
        np.testing.assert_allclose(study['probabilities'], row['class_probabilities'], atol=1e-3)


def test_words_have_the_log_probabilities_that_the_search_gave_them(studies, rows):
    limit = 16  # words of a tiny report; one that is cut has no end whose probability would count too
    for study, row in zip(studies, rows, strict=True):
        total = sum(study['log_probs'])
        assert row['log_prob'] <= total + 1e-2
        assert len(study['words']) < limit or row['log_prob'] == pytest.approx(total, abs=1e-2)


def test_labels_are_those_of_the_study(studies, trained):
    source = open_split(open_trained(trained).experiment.config, 'test')
    for study, labels in zip(studies, source.labels, strict=True):
        assert study['labels'] == labels.tolist()
    assert len(studies[0]['labels']) == len(OBSERVATIONS)


def test_the_page_names_the_run_and_holds_scores_and_curves(trained):
    page = (trained / 'report.html').read_text()
    scores = json.loads((trained / 'scores.json').read_text())
    assert f'<title>{trained.name}: CAMANet run</title>' in page
    assert f'variant paper, seed 0, step {best_step(trained)}' in page
    assert f'{scores["test"]["cut"]["BLEU_1"]:.3f} <small>[' in page and 'Report NLL per word' in page
    assert 'Not for clinical use' in page


def test_the_command_makes_the_same_page_again_with_fewer_studies(trained, tmp_path, studies):
    workdir = tmp_path / 'copy'
    shutil.copytree(trained, workdir)
    (workdir / 'report.html').unlink()
    output = succeed(f'--workdir={workdir}', '--studies=2', program=('scripts/make_report.py',))
    assert output.strip().endswith(str(workdir / 'report.html'))
    page = (workdir / 'report.html').read_text()
    assert page_data(page)['studies'] == studies[:2] and 'the first 2 of 6' in page


def test_the_number_of_studies_is_checked(trained):
    with pytest.raises(ValueError, match='0 or more, got -1'):
        report_of(trained, -1)


def test_a_run_without_scores_is_told_how_to_get_them(tmp_path):
    with pytest.raises(ValueError, match='found no scores.json.*--mode=evaluate'):
        report_of(tmp_path)
