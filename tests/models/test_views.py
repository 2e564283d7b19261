"""Studies with fewer films than the model reads: what is masked changes nothing; embeddings tell views apart."""

import jax
import numpy as np
import pytest
from quick_modules import draw_variables, quick


@pytest.mark.parametrize(
    'fields', [{}, {'vdm_norm': 'map', 'tdm_norm': 'map', 'vdm_bias': True}, {'contrastive': True}]
)
def test_a_study_with_one_film_is_read_as_by_a_model_of_one_view(tiny, double, fields):
    model = tiny.model.clone(**fields)
    films, tokens = tiny.batch['images'], tiny.batch['tokens'][:, :-1]
    variables = draw_variables(model, films, tokens, seed=4)
    one = quick(model.apply)(variables, films[:, :1], tokens)
    mask = np.array([[True, False]] * len(films))
    two = quick(lambda mask: model.apply(variables, films, tokens, view_mask=mask))(mask)
    places = one.encoding.vdm.shape[1]
    assert one.encoding.vdm.any() and not two.encoding.vdm[:, places:].any() and not two.tdm[:, places:].any()
    assert not two.cross_attention[..., places:].any() and not two.encoding.cams[..., places:].any()
    found = two.replace(
        cross_attention=two.cross_attention[..., :places],
        tdm=two.tdm[:, :places],
        word_attention=two.word_attention[..., :places],
        encoding=two.encoding.replace(
            visual_tokens=two.encoding.visual_tokens[:, :places],
            cams=two.encoding.cams[..., :places],
            vdm=two.encoding.vdm[:, :places],
            projected=two.encoding.projected[:, : places + 1],
            encoded=two.encoding.encoded[:, : places + 1],
            there=None,
        ),
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11), found, one)


def test_a_whole_mask_is_none_at_all(tiny, output, double):
    films, tokens = tiny.batch['images'], tiny.batch['tokens'][:, :-1]
    masked = quick(lambda mask: tiny.model.apply(tiny.variables, films, tokens, view_mask=mask))(np.ones((3, 2), bool))
    np.testing.assert_allclose(masked.logits, output.logits, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(masked.tdm, output.tdm, rtol=1e-9, atol=1e-11)


def test_views_have_embeddings(tiny, double):
    films = tiny.batch['images']
    model = tiny.model.clone(view_embeddings=3)
    variables = draw_variables(model, films, tiny.batch['tokens'][:, :-1], seed=4)
    encode = quick(lambda x: model.apply(variables, x, method='encode'))
    first, swapped = encode(films), encode(films[:, ::-1])
    places = first.vdm.shape[1] // 2
    assert np.abs(first.encoded[:, 1 : places + 1] - swapped.encoded[:, places + 1 :]).max() > 1e-3
    one = {'params': variables['params'] | {'view_embedding': variables['params']['view_embedding'][:1]}}
    with pytest.raises(ValueError, match='view_embeddings of at least 2 views, got 1'):
        tiny.model.clone(view_embeddings=1).apply(variables | one, films, method='encode')
