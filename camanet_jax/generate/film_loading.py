"""Studies loaded by threads ahead of the device, a few at a time."""

import collections
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8
from ml_collections import ConfigDict
from PIL import Image

from camanet_jax.data.image_files import not_blank, read_grey
from camanet_jax.data.transforms import eval_image
from camanet_jax.generate.study_list import ListedStudy
from camanet_jax.run import workers

Films = UInt8[np.ndarray, 'I height width']
Item = TypeVar('Item')
Result = TypeVar('Result')
Loaded = tuple[Item, Result | ValueError]

LOG = logging.getLogger(__name__)

MISSING_VIEW = ('repeat', 'refuse')


def film_transform(data: ConfigDict) -> Callable[[Image.Image], UInt8[np.ndarray, 'height width']]:
    """The function that brings a film to the model's size as in evaluation; `data` is the configuration's."""
    return partial(eval_image, **{name: data[name] for name in ('eval_transform', 'image_size', 'resize_size')})


def load_films(
    study: ListedStudy, data: ConfigDict, missing_view: str, name_of: Callable[[object], str] = str
) -> Films:
    """Loads a study's films as the evaluation does.

    Args:
      data: the configuration's `data`.
      missing_view: 'repeat' repeats the last film of a study with too few, 'refuse' raises.
      name_of: gives a path's name for messages.

    Raises:
      ValueError: the study has another number of films than the model reads, or one cannot be decoded or is blank.
    """
    paths = study.paths if data.extra_views == 'error' else study.paths[: data.views]
    if len(paths) > data.views or (len(paths) < data.views and missing_view == 'refuse'):
        names = ', '.join([*map(name_of, paths[:5]), *(['...'] if len(paths) > 5 else [])])
        raise ValueError(f'Expected {data.views} image file(s) per study, got {len(paths)}: {names}')
    transform = film_transform(data)
    films = [transform(not_blank(read_grey(path, name_of(path)), name_of(path))) for path in paths]
    return np.stack(films + films[-1:] * (data.views - len(films)))


def load_ahead(load: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Iterator[Loaded]:
    """Yields every item with its result of `load`, or the ValueError it raised, in order.

    At most `ahead` results are held; threads prepare them while the caller works on earlier ones.
    """
    running: collections.deque[tuple[Item, Future]] = collections.deque()
    with ThreadPoolExecutor(max(1, min(ahead, workers.usable_cores()))) as pool:
        try:
            for item in items:
                running.append((item, pool.submit(load, item)))
                if len(running) >= ahead:
                    yield _result(*running.popleft())
            while running:
                yield _result(*running.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _result(item: Item, future: Future) -> Loaded:
    if wait([future], workers.SECONDS_UNTIL_SAID).not_done:
        LOG.warning(workers.STALLED, 'film', workers.SECONDS_UNTIL_SAID)
    try:
        return item, future.result()
    except ValueError as error:
        return item, error


def in_batches(loaded: Iterable[Loaded], size: int) -> Iterator[list[Loaded]]:
    """Groups results into lists that hold `size` results without an error; the last may hold fewer."""
    batch, good = [], 0
    for item, result in loaded:
        batch.append((item, result))
        good += not isinstance(result, ValueError)
        if good == size:
            yield batch
            batch, good = [], 0
    if batch:
        yield batch
