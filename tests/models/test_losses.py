import jax.numpy as jnp
import numpy as np
import pytest

from camanet_jax import losses


def softplus(x):
    return np.log1p(np.exp(x))


def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_report_nll_sums_over_the_valid_targets(rng, double):
    logits, targets = rng.normal(size=(2, 3, 5)), np.array([[1, 4, 0], [2, 0, 0]])
    mask = np.array([[1.0, 1, 1], [1, 1, 0]])
    chosen = np.take_along_axis(log_softmax(logits), targets[..., None], -1)[..., 0]
    np.testing.assert_allclose(losses.report_nll(logits, targets, mask), -(chosen * mask).sum(1), rtol=1e-10)


def test_a_mean_over_reports_weighs_short_ones_as_long_ones(rng, double):
    logits, targets = rng.normal(size=(3, 4, 5)), rng.integers(0, 5, (3, 4))
    lengths, valid = np.array([4, 1, 2]), np.array([True, True, False])
    mask = (np.arange(4) < lengths[:, None]) * 1.0
    row, batch = losses.report_loss('reports'), {'valid': valid}
    values = losses.counted('report_nll', row, row.per_study(logits, targets, mask), batch)
    own = [losses.report_nll(logits[i : i + 1], targets[i : i + 1], mask[i : i + 1])[0] / lengths[i] for i in (0, 1)]
    mean = losses.means({'report_nll': values.sum()}, losses.denominators(batch, {'report_nll': row}))['report_nll']
    np.testing.assert_allclose(mean, np.mean(own), rtol=1e-10)
    assert losses.report_loss('tokens') == losses.LOSSES['report_nll']
    with pytest.raises(ValueError, match="loss.report_mean to be one of .*, got 'words'"):
        losses.report_loss('words')


def test_pseudo_label_bce_is_a_sum_over_observations(rng, double):
    logits, labels = rng.normal(size=(2, 4)), np.array([[0, 1, 1, 0], [0, 0, 0, 1.0]])
    expected = (labels * softplus(-logits) + (1 - labels) * softplus(logits)).sum(1)
    np.testing.assert_allclose(losses.pseudo_label_bce(logits, labels), expected, rtol=1e-10)


def test_observations_without_a_label_count_nowhere(tiny, output, double):
    batch = tiny.batch | {'labels': np.where(np.arange(5) == 1, np.nan, tiny.batch['labels'])}
    known = [0, 2, 3, 4]
    logits = np.asarray(output.encoding.class_logits)
    expected = losses.pseudo_label_bce(logits[:, known], tiny.batch['labels'][:, known])
    np.testing.assert_allclose(losses.terms(output, batch)['pseudo_label_bce'], expected, rtol=1e-10)
    assert losses.denominators(batch)['pseudo_label_bce'] == 3 * len(known)


def test_vtac_mse_is_a_mean_over_places(rng, double):
    tdm, vdm = rng.uniform(size=(2, 3, 9))
    np.testing.assert_allclose(losses.vtac_mse(tdm, vdm), ((tdm - vdm) ** 2).mean(1), rtol=1e-12)


def test_contrastive_is_the_mean_of_both_directions(rng, double):
    image, text = rng.normal(size=(2, 3, 4))
    image1, text1 = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image, text))
    similarity = 7.0 * image1 @ text1.T
    expected = -(np.diag(log_softmax(similarity)) + np.diag(log_softmax(similarity.T))) / 2
    np.testing.assert_allclose(losses.contrastive(image, text, 7.0, np.ones(3, bool)), expected, rtol=1e-10)
    padded = (np.concatenate([x, x[:1]]) for x in (image, text))  # a fourth row that only fills the batch
    found = losses.contrastive(*padded, 7.0, np.arange(4) < 3)
    np.testing.assert_allclose(found[:3], expected, rtol=1e-10)
    assert np.isfinite(found[3])


def test_means_count_targets_pseudo_labels_and_studies(tiny, output, double):
    counts = losses.denominators(tiny.batch)
    assert {name: float(count) for name, count in counts.items()} == {
        'report_nll': 6 + 4 + 7,
        'pseudo_label_bce': 3 * 5,
        'vtac_mse': 2,
        'contrastive': 3,
    }
    terms = losses.terms(output, tiny.batch)
    assert terms['vtac_mse'][1] == 0 and (np.asarray(terms['vtac_mse'])[[0, 2]] > 0).all()


def test_rows_that_only_pad_the_batch_count_nowhere(tiny, output, double):
    batch = tiny.batch | {'valid': np.array([True, True, False])}
    terms, counts = losses.terms(output, batch), losses.denominators(batch)
    assert all(term[2] == 0 for term in terms.values())
    assert counts['report_nll'] == 6 + 4 and counts['pseudo_label_bce'] == 2 * 5 and counts['vtac_mse'] == 1


def test_a_batch_without_positive_labels_has_zero_mse(tiny, output, double):
    batch = tiny.batch | {'labels': np.zeros((3, 5))}
    assert losses.means(losses.sums(output, batch), losses.denominators(batch))['vtac_mse'] == 0


def test_a_batch_without_positive_labels_leaves_the_mse_of_a_split_as_it_is(tiny, output, double):
    unlabelled = tiny.batch | {'labels': np.zeros((3, 5))}
    sums, counts = (
        {name: value + other[name] for name, value in one.items()}
        for one, other in (
            (losses.sums(output, tiny.batch), losses.sums(output, unlabelled)),
            (losses.denominators(tiny.batch), losses.denominators(unlabelled)),
        )
    )
    mean = losses.means(losses.sums(output, tiny.batch), losses.denominators(tiny.batch))['vtac_mse']
    assert losses.means(sums, counts)['vtac_mse'] == mean > 0


def test_the_total_weights_each_term_once():
    fields = {'report_weight': 3.0, 'pseudo_label_weight': 2.0, 'vtac_weight': 0.5, 'contrastive_weight': 0.1}
    weights = losses.weights(fields)
    means = {
        name: jnp.float32(value)
        for name, value in zip(
            ('report_nll', 'pseudo_label_bce', 'vtac_mse', 'contrastive'), (1, 10, 100, 1000), strict=True
        )
    }
    np.testing.assert_allclose(losses.total(means, weights), 3 + 20 + 50 + 100)
