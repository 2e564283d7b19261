"""ReXrank's scores, against the published ones of another system."""

import csv
import subprocess
import sys

import numpy as np
import pytest
from front_door import ROOT

from camanet_jax.metrics.rexrank import PARTS, bleu_2, inverse_mean, radcliq_v1, rexrank_scores


@pytest.fixture
def published(shared_dir):
    """References, reports and scores by study of MoERad."""
    folder = shared_dir / 'data/published_outputs/moerad'
    return [list(csv.DictReader((folder / name).open())) for name in ('gts.csv', 'preds.csv', 'report_scores.csv')]


def test_bleu_2_of_every_study_is_the_published_one(published):
    references, reports, scores = published
    found = bleu_2([row['report'] for row in reports], [row['report'] for row in references])
    np.testing.assert_allclose(found, [float(row['bleu_score']) for row in scores], rtol=0, atol=1e-12)
    assert len(found) == 590 and found.mean() == pytest.approx(0.270432, abs=1e-6)


def test_radcliq_of_every_study_is_the_published_one(published):
    scores = published[2]
    parts = np.array([[float(row[name]) for name in PARTS] for row in scores])
    np.testing.assert_allclose(radcliq_v1(parts), [float(row['RadCliQ-v1']) for row in scores], rtol=0, atol=2e-7)


def test_bleu_2_by_hand():
    # 5 of 6 words (the full stop is one), 3 of 5 pairs; the reference is a word longer. Nothing in common: 0.
    found = bleu_2(['The heart is not large.', 'x'], ['the heart is very  large indeed.', 'y'])
    assert found == pytest.approx([np.exp(1 - 7 / 6) * np.sqrt(5 / 6 * 2 / 5), 0])
    # One common word of two, no common pair of one: the pair counts a tenth.
    assert bleu_2(['a b'], ['a c']) == pytest.approx([np.sqrt(1 / 2 * 0.1 / 1)])


def test_semb_score_is_the_cosine():
    vectors = {'a': [3.0, 4.0], 'b': [4.0, 3.0], '': [0.0, 0.0]}
    found = rexrank_scores(['a', 'a', ''], ['a', 'b', 'b'], lambda texts: np.array([vectors[text] for text in texts]))
    assert found.per_study['semb_score'] == pytest.approx([1, 24 / 25, 0])
    assert found.corpus['semb_score'] == pytest.approx((1 + 24 / 25) / 3)
    assert list(rexrank_scores(['a'], ['a']).corpus) == ['bleu_score']


def test_the_inverse_is_refused_where_it_would_mislead():
    assert inverse_mean(np.array([0.25, 0.75])).value() == 2
    with pytest.raises(ValueError, match=r'whose mean RadCliQ-v1 is positive; this mean is -0.1000'):
        inverse_mean(np.array([-0.5, 0.3]))


NAMELESS = """
import os, pwd
def nobody(uid):
    raise KeyError(uid)
pwd.getpwuid = nobody
from camanet_jax.metrics.rexrank import bleu_2
assert bleu_2(['clear lungs'], ['clear lungs']) == 1 and 'HOME' not in os.environ
"""


def test_neither_a_home_nor_a_name_is_needed():
    subprocess.run([sys.executable, '-c', NAMELESS], check=True, cwd=ROOT, env={})
