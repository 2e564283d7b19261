"""Loading ahead: in order, a bounded number at a time, errors beside results."""

import threading
import time

import numpy as np
import pytest
from films import film
from ml_collections import ConfigDict
from PIL import Image

from camanet_jax.data.image_files import open_grey
from camanet_jax.data.transforms import eval_image
from camanet_jax.generate.film_loading import in_batches, load_ahead, load_films
from camanet_jax.generate.study_list import ListedStudy
from camanet_jax.run import workers

DATA = ConfigDict(dict(views=2, extra_views='error', eval_transform='paper', image_size=32, resize_size=36))


@pytest.fixture
def study(tmp_path):
    """Makes a study of so many films."""

    def make(count: int) -> ListedStudy:
        paths = tuple(tmp_path / f'{number}.png' for number in range(count))
        for number, path in enumerate(paths):
            path.write_bytes(film(seed=number))
        return ListedStudy('s', paths)

    return make


def test_films_go_the_way_of_the_evaluation(study):
    found = load_films(study(2), DATA, 'refuse')
    expected = [eval_image(open_grey(film(seed=number), ''), 'paper', 32, 36) for number in range(2)]
    np.testing.assert_array_equal(found, np.stack(expected))


def test_the_number_of_films_must_fit(study):
    found = load_films(study(1), DATA, 'repeat')
    np.testing.assert_array_equal(found[0], found[1])
    with pytest.raises(ValueError, match=r'Expected 2 image file\(s\) per study, got 1: .*0.png'):
        load_films(study(1), DATA, 'refuse')
    with pytest.raises(ValueError, match='got 7: .*4.png, ...$'):
        load_films(study(7), DATA, 'repeat')
    first = ConfigDict(DATA.to_dict() | {'extra_views': 'first'})
    np.testing.assert_array_equal(load_films(study(3), first, 'refuse'), load_films(study(2), DATA, 'refuse'))


def test_a_film_that_does_not_come_is_said(monkeypatch, caplog):
    def load_once_it_is_said(item):
        while not caplog.text:
            time.sleep(0.01)

    monkeypatch.setattr(workers, 'SECONDS_UNTIL_SAID', 0.01)
    assert list(load_ahead(load_once_it_is_said, 'a', 1)) == [('a', None)]
    assert 'No film for 0 s: the file system may be stalled' in caplog.text


def test_a_blank_film_gets_no_report(tmp_path):
    Image.new('L', (40, 40), 7).save(tmp_path / 'blank.png')
    with pytest.raises(ValueError, match='blank.png is blank: all its pixels are 7'):
        load_films(ListedStudy('s', (tmp_path / 'blank.png',)), DATA, 'repeat')


def test_results_come_in_order_and_errors_in_their_place():
    def load(number):
        time.sleep(0.02 * (number % 3 == 0))  # seconds; the first of three is the slowest
        if number == 4:
            raise ValueError('four')
        return 10 * number

    found = dict(load_ahead(load, range(9), ahead=4))
    assert str(found.pop(4)) == 'four'
    assert list(found.items()) == [(number, 10 * number) for number in range(9) if number != 4]


def test_few_results_are_held():
    begun, lock = [], threading.Lock()

    def load(number):
        with lock:
            begun.append(number)

    for number, _ in load_ahead(load, range(50), ahead=5):
        time.sleep(0.001)
        assert max(begun) < number + 5
    assert sorted(begun) == list(range(50))


def test_leaving_early_ends_the_threads():
    before = threading.active_count()
    loaded = load_ahead(lambda number: number, range(1000), ahead=3)
    assert next(loaded) == (0, 0)
    loaded.close()
    assert threading.active_count() == before


def test_batches_are_full_of_results():
    error = ValueError()
    loaded = enumerate([1, error, 2, 3, error, error, 4, error])
    assert list(in_batches(loaded, 2)) == [
        [(0, 1), (1, error), (2, 2)],
        [(3, 3), (4, error), (5, error), (6, 4)],
        [(7, error)],
    ]
    assert list(in_batches([], 2)) == []
