"""ReXrank's inference: its JSON of studies in, the same with `model_prediction` out, saved after every study.

On request RadFact's grounded sentences too (Bannur et al., 2024): a report's sentences, each with the box where its
words looked. Where words look is not where a finding is (docs/ablation): the boxes let RadFact measure that.

L words, I views.
"""

import contextlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict
from scipy import ndimage

from camanet_jax.data.image_files import read_grey
from camanet_jax.data.rexrank import PREDICTION, listed, read_rexrank, reference
from camanet_jax.data.schema import summarise
from camanet_jax.generate.generate import SOME_FAILED
from camanet_jax.generate.output_folder import made_by, refuse_others
from camanet_jax.generate.reporter import GeneratedReport, Reporter, load
from camanet_jax.generate.study_list import MADE_BY, ListedStudy
from camanet_jax.reporting.figures import sentences
from camanet_jax.run.files import read_json, sole_writer, write_json
from camanet_jax.run.progress import Progress

LOG = logging.getLogger(__name__)

Sentences = list[dict[str, Any]]  # {"text", "boxes": [{"x_min", "y_min", "x_max", "y_max"}] or None}


def predict(
    source: Path,
    output: Path,
    images: Path,
    workdir: Path,
    write: Callable[[str], str] | None = None,
    radfact: Path | None = None,
) -> int:
    """Writes the predictions of the studies that have none in `output`; a second call resumes the first.

    Args:
      write: turns a report into the text to write, e.g. a `Recaser`; by default it stays as it is, cleaned.
      radfact: the file for RadFact's sentences, with boxes from the words' attention; the references' have none.

    Returns:
      The exit code: 0, or 1 where studies have no prediction, since none of their films is there or can be read.

    Raises:
      ValueError: another process writes one of the files, or they hold other studies; or the predictions in `output`
        were made differently, as the record beside it says.
    """
    files = [path for path in (source, output, radfact) if path]
    if len({path.resolve() for path in files}) < len(files):
        raise ValueError(
            f"Expected a file each for ReXrank's studies, the predictions and RadFact's sentences, got "
            f'{", ".join(map(str, files))}; choose another name for what is written.'
        )
    with contextlib.ExitStack() as locks:
        for written in filter(None, (output, radfact)):
            locks.enter_context(sole_writer(written, 'writing predictions', a_file=True))
        studies = read_studies(source)
        done = read_rexrank(output) if output.exists() else {}
        if done.keys() - studies.keys():
            raise ValueError(f'{output}: expected studies of {source}, got others; choose another file for the output.')
        done = {name: study[PREDICTION] for name, study in done.items() if PREDICTION in study}
        for name, prediction in done.items():
            studies[name][PREDICTION] = prediction
        grounded = read_sentences(radfact) if radfact and radfact.exists() else {}
        if radfact and (without := [name for name in done if name not in grounded]):
            raise ValueError(f'{radfact}: lacks {len(without)} studies of {output}, which were predicted without it.')
        reporter = load(workdir)
        record, how = output.with_name(f'{output.name}.{MADE_BY}'), made_by(reporter.run, recase=write is not None)
        if done:
            refuse_others(output, record, how, 'Choose another file for the output, or remove this one.')
        write_json(record, how)
        if waiting := [name for name, study in studies.items() if PREDICTION not in study]:
            data = reporter.config.data
            listed = [ListedStudy(name, films(studies[name], images, data.views)) for name in waiting]
            for study, report in reports(reporter, listed, images):
                text = write(report.report) if write else report.report
                studies[study.id][PREDICTION] = f'Findings: {text}'
                if radfact:
                    size = read_grey(study.paths[0], study.id).size
                    predicted = grounded_sentences(report.words, report.explanation.predicting_attention, size, data)
                    target = plain_sentences(reference(studies[study.id], 'findings'))
                    grounded[study.id] = {'example_id': study.id, 'prediction': predicted, 'target': target}
                    write_json(radfact, list(grounded.values()))
                write_json(output, studies)
    failed = sum(PREDICTION not in study for study in studies.values())
    LOG.info('Predictions of %d studies are in %s', len(studies) - failed, output)
    if failed:
        LOG.warning('%d studies have no prediction; the same command tries them again.', failed)
    return SOME_FAILED if failed else 0


def read_studies(path: Path) -> dict[str, dict[str, Any]]:
    """The studies to predict, without predictions that they come with.

    Raises:
      ValueError: it is no ReXrank file (`read_rexrank`), or films have no names.
    """
    studies = read_rexrank(path)
    for study in studies.values():
        study.pop(PREDICTION, None)
    named = {name: study.get('image_path') for name, study in studies.items()}
    if wrong := [f'{name}: {field!r}' for name, field in named.items() if not _are_names(field)]:
        raise ValueError(
            f'{path}: expected image_path to be a list of file names, got {summarise(wrong, "other", "others")}'
        )
    return studies


def _are_names(field: Any) -> bool:
    """Tells whether `listed` makes names of it; NaN, which does not equal itself, and null stand for none."""
    return (
        field is None
        or field != field
        or all(isinstance(name, str) for name in (field if isinstance(field, list) else [field]))
    )


def read_sentences(path: Path) -> dict[str, dict[str, Any]]:
    """RadFact's entries by study; raises ValueError where the file has others."""
    entries = read_json(path)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and 'example_id' in entry for entry in entries):
        raise ValueError(
            f"{path}: expected RadFact's sentences, a list of objects with example_id, got something else; choose "
            'another file for --radfact'
        )
    return {entry['example_id']: entry for entry in entries}


def reports(
    reporter: Reporter, studies: Sequence[ListedStudy], images: Path
) -> Iterator[tuple[ListedStudy, GeneratedReport]]:
    """Yields the report of each study that has films and whose films can be read; the others are logged."""
    for study in studies:
        if not study.paths:
            LOG.warning('Study %s has no prediction: none of its films is in %s', study.id, images)
    with_films = [study for study in studies if study.paths]
    with Progress('Writing reports', len(with_films)) as bar:
        for study, report in reporter.stream(with_films):
            if isinstance(report, ValueError):
                LOG.warning('Study %s has no prediction: %s', study.id, report)
            else:
                yield study, report
            bar.advance()


def films(study: Mapping[str, Any], images: Path, views: int) -> tuple[Path, ...]:
    """The existing films, frontal first and the key film before others; of too many, the first and the last."""
    names = listed(study.get('image_path'))
    sides = [*listed(study.get('frontal_lateral')), *[''] * len(names)]
    order = {
        name: (side == 'Lateral', name != study.get('key_image_path')) for name, side in zip(names, sides, strict=False)
    }
    there = [images / name for name in sorted(order, key=order.__getitem__) if (images / name).is_file()]
    if len(there) <= views:
        return tuple(there)
    return (*there[: views - 1], there[-1] if views > 1 else there[0])


def plain_sentences(text: str) -> Sentences:
    """The sentences of a text as written, without boxes."""
    return [{'text': sentence, 'boxes': None} for sentence in re.split(r'(?<=[.?!])\s+', text.strip()) if sentence]


def grounded_sentences(
    words: Sequence[str], attention: Float[np.ndarray, 'L I height width'], size: tuple[int, int], data: ConfigDict
) -> Sentences:
    """The sentences of a report, boxes as shares of the first film's width and height; None where no place stands out.

    Args:
      attention: where the model looked when it predicted each word.
      size: width and height of the first film. data: the configuration's, which tells what of the film was seen.
    """
    grounded = []
    for start, end in sentences(words):
        box = brightest_region(attention[start:end, 0].mean(0))
        boxes = None if box is None else [on_film(box, size, data)]
        grounded.append({'text': ' '.join(words[start:end]) + '.', 'boxes': boxes})
    return grounded


def brightest_region(values: Float[np.ndarray, 'height width']) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom, as shares, of the region around the maximum that is at least half as bright."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-6 * max(high, 1e-6):
        return None
    regions, _ = ndimage.label(values >= (low + high) / 2)
    rows, columns = np.nonzero(regions == regions[np.unravel_index(values.argmax(), values.shape)])
    height, width = values.shape
    return columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height


def on_film(box: tuple[float, float, float, float], size: tuple[int, int], data: ConfigDict) -> dict[str, float]:
    """A box of the square that the model saw as one of the film, of which `paper` cuts the middle."""
    seen = [1.0, 1.0]
    if data.eval_transform == 'paper':
        seen = [data.image_size * min(size) / (data.resize_size * side) for side in size]  # share of width, of height
    edges = [0.5 + (edge - 0.5) * seen[i % 2] for i, edge in enumerate(box)]
    return dict(zip(('x_min', 'y_min', 'x_max', 'y_max'), (round(float(edge), 4) for edge in edges), strict=True))
