"""The demo without its server: turns uploaded films, or an example, into a study for the viewer."""

import base64
import binascii
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import camanet_jax
from camanet_jax.data.image_files import not_blank, open_grey
from camanet_jax.generate.film_loading import film_transform
from camanet_jax.reporting.web_page import as_jpeg, escape, fill_template, json_text, study_data, viewer_settings
from camanet_jax.synthetic.studies import make_study

MAX_MEGABYTES = 64  # per file
EXAMPLES, EXAMPLE_SIDE, EXAMPLE_SEED = 6, 256, 0


class Demo:
    """A trained run and the examples; methods may be called from several threads.

    Attributes:
      views: number of films of a study.
    """

    def __init__(self, workdir: Path):
        self._reporter = camanet_jax.load(workdir)
        self._data = self._reporter.config.data
        self._transform = film_transform(self._data)
        self.views: int = self._data.views
        self._one_at_a_time = threading.Lock()
        # Examples have the size of the run's films where those are synthetic too.
        side = self._data.options.image_size if self._data.name == 'synthetic' else EXAMPLE_SIDE
        self._examples = [make_study(EXAMPLE_SEED, 'test', number, side) for number in range(EXAMPLES)]
        self.example(0)  # compiles, so that the first visitor need not wait

    def page(self) -> str:
        """The page as HTML."""
        examples = [
            {'name': f'Example {i}', 'film': as_jpeg(study.films[0])} for i, study in enumerate(self._examples, 1)
        ]
        settings = viewer_settings() | {'views': self.views, 'megabytes': MAX_MEGABYTES, 'examples': examples}
        run = f'variant {self._reporter.config.variant}, step {self._reporter.step}'
        films = 'a film' if self.views == 1 else f'the films of one study, up to {self.views}, the frontal one first'
        parts = dict(run=escape(run), films=films, megabytes=str(MAX_MEGABYTES), data=json_text(settings))
        return fill_template('app.html', **parts)

    def upload(self, files: list[dict[str, str]]) -> dict[str, Any]:
        """The study of uploaded files, each a `name` and `data` in base64; the last film replaces missing ones.

        Raises:
          ValueError: there are none or too many, one is too large, or one is not a film; the message names it.
        """
        if not 0 < len(files) <= self.views:
            raise ValueError(f'This model reads {self.views} film(s) of a study, got {len(files)}.')
        names = [Path(file['name']).name for file in files]
        films = [self._film(name, file['data']) for name, file in zip(names, files, strict=True)]
        films += films[-1:] * (self.views - len(films))  # as in `--mode=generate`
        return self._study(', '.join(names), np.stack(films))

    def example(self, number: int) -> dict[str, Any]:
        """The study of a synthetic example, with its true report."""
        if not 0 <= number < len(self._examples):
            raise ValueError(f'Expected an example from 0 to {len(self._examples) - 1}, got {number}.')
        study = self._examples[number]
        films = np.stack([self._transform(Image.fromarray(film)) for film in study.films[: self.views]])
        return self._study(f'Example {number + 1}', films, reference=study.report)

    def _film(self, name: str, encoded: str) -> np.ndarray:
        """Decodes an uploaded file as the model reads it."""
        if len(encoded) > MAX_MEGABYTES * 2**20 * 4 / 3 + 4:
            raise ValueError(f'{name} is larger than {MAX_MEGABYTES} MB.')
        try:
            data = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ValueError(f'{name} did not arrive whole; try again.') from error
        return self._transform(not_blank(open_grey(data, name), name))

    def _study(self, name: str, films: np.ndarray, **texts: Any) -> dict[str, Any]:
        with self._one_at_a_time:
            (report,) = self._reporter.generate(films[None])
        return study_data(name, films, report.words, report.explanation, alternatives=report.alternatives, **texts)
