"""Text fits where it is put."""

import numpy as np
from PIL import Image

from camanet_jax.reporting.page import MARK, Page


def rendered(page, height, path):
    with Image.open(page.save(path, height)) as image:
        return np.asarray(image.convert('RGB')).astype(int)


def test_paragraph_wraps_inside_its_width_and_its_height(tmp_path):
    page = Page(300)
    pieces = [(word, False) for word in ('a bb cardiomediastinal silhouette $x$ ' * 6).split()] + [('y' * 90, False)]
    bottom = page.paragraph(50, 20, 180, pieces)
    ink = rendered(page, 400, tmp_path / 'page.png').min(-1) < 128
    rows, columns = np.nonzero(ink)
    assert 50 <= columns.min() and columns.max() <= 50 + 180 + 1
    assert 20 <= rows.min() and rows.max() <= bottom


def test_marks_lie_behind_marked_words_only(tmp_path):
    page = Page(300)
    page.paragraph(10, 10, 280, [('plain', False), ('marked', True)])
    mark = np.array([int(MARK[i : i + 2], 16) for i in (1, 3, 5)])
    found = (rendered(page, 50, tmp_path / 'page.png') == mark).all(-1)
    assert found.any() and not found[:, :40].any()


def test_images_are_placed_pixel_by_pixel(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    page = Page(100)
    page.image(17, 9, pixels)
    found = rendered(page, 60, tmp_path / 'new' / 'page.png')
    assert found.shape == (60, 100, 3)
    np.testing.assert_array_equal(found[9:29, 17:47], pixels)
