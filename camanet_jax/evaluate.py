"""Evaluation: reports for a split, their scores, and the files that hold them.

The evaluation step is one jitted function: it encodes a batch once, searches reports, and computes the losses of the
references. B studies, L report tokens, Y observations.
"""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh

from camanet_jax import decoding, losses, sharding
from camanet_jax.data.schema import patient_of
from camanet_jax.data.sources import Source
from camanet_jax.experiment import Experiment
from camanet_jax.metrics import classification, nlg, protocol
from camanet_jax.metrics.bootstrap import patient_numbers
from camanet_jax.metrics.scores import patients_of
from camanet_jax.models.camanet import Camanet
from camanet_jax.run.files import write_columns, write_json_lines
from camanet_jax.run.progress import tracked
from camanet_jax.train_step import WholeBatch


@dataclasses.dataclass
class SplitResult:
    """The model's reports for a split and their losses, in the split's order.

    Attributes:
      rows: one dict per study: id, report, reference, reference_full, reference_raw, log_prob, and class_probabilities
        where there is a classifier: the lines of the predictions file.
      losses: unweighted terms over the whole split.
      tokens: [studies, L], the reports' word ids.
      labels: [studies, Y], pseudo-labels; NaN where there is none.
      skipped: ids of studies with damaged images.
    """

    rows: list[dict[str, Any]]
    losses: dict[str, float]
    tokens: np.ndarray
    labels: np.ndarray
    skipped: list[str]


def evaluate_step(
    variables: Any,
    batch: dict[str, Array],
    key: Array,
    *,
    model: Camanet,
    decoding_options: dict[str, Any],
    table: losses.Losses = losses.LOSSES,
    mesh: Mesh | None = None,
) -> dict[str, Any]:
    """Reports, class probabilities and loss sums of one batch; every device of `mesh` searches its own studies."""
    whole = WholeBatch.of(batch, table)
    own = partial(own_results, model=model, decoding_options=decoding_options, table=table)
    over_devices = sharding.over_devices(own, mesh, (sharding.BY_STUDY, sharding.EVERYWHERE))
    results, sums = over_devices(batch, variables, key, whole.width)
    return results | {'losses': (sums, whole.denominators)}


def own_results(batch, variables, key, width, *, model: Camanet, decoding_options, table):
    """Results by study of this device's share of a batch, and the losses' sums over all devices."""
    encoding = model.apply(variables, batch['images'], **batch.get('extras', {}), method='encode')
    keys = sharding.keys_of(key, batch['index'])
    reports = decoding.decode_reports(variables, encoding, keys, model=model, **decoding_options)
    output = model.apply(variables, encoding, batch['tokens'][:, :-1], width, method='decode')
    results = {
        'tokens': reports.tokens[:, 0],
        'scores': reports.scores[:, 0],
        'valid': batch['valid'],
        'index': batch['index'],
        'labels': batch['labels'],
    }
    if encoding.class_logits is not None:
        results['class_probabilities'] = jax.nn.sigmoid(encoding.class_logits)
    return results, sharding.sum_over_devices(losses.sums(output, batch, table))


class Evaluator:
    """Runs the evaluation step, compiled once, over splits."""

    def __init__(self, experiment: Experiment, mesh: Mesh):
        self.experiment, self.mesh = experiment, mesh
        self.extra_metrics = experiment.extra_metrics()
        step = partial(
            evaluate_step,
            model=experiment.model(),
            decoding_options=experiment.decoding_options(),
            table=experiment.loss_table(),
            mesh=mesh,
        )
        self.step_function = jax.jit(step, out_shardings=sharding.replicated(mesh))

    def run(self, variables: Any, source: Source, description: str) -> SplitResult:
        """Reports and losses of a whole split; every process gets them all."""
        batches = self.experiment.eval_batches(source)
        key = jax.random.key(self.experiment.config.seed)
        parts, rows, loaded = [], [], iter(batches)
        # The host makes words and asks METEOR about one batch while the devices work on the next.
        host = ThreadPoolExecutor(1)
        try:
            with contextlib.closing(loaded):
                running = (self.step_function(variables, sharding.put_batch(batch, self.mesh), key) for batch in loaded)
                for part in tracked(one_ahead(running), description, len(batches)):
                    parts.append(part)
                    rows.append(host.submit(self.rows, part, source))
            return self.collect(parts, [row for batch in rows for row in batch.result()], source)
        finally:
            host.shutdown(cancel_futures=True)  # a run that is stopped waits for one batch's words alone

    def collect(self, parts: list[dict[str, Any]], rows: list[dict[str, Any]], source: Source) -> SplitResult:
        """Puts the batches' results into the split's order, without padding rows."""
        valid = np.concatenate([part['valid'] for part in parts])
        if not valid.any():
            raise ValueError(
                f'Expected studies to evaluate, got none: all {len(source.ids)} of the split have damaged '
                f'films ({", ".join(source.ids[:3])}, ...). Replace the films and prepare them again.'
            )

        def join(name):
            return np.concatenate([part[name] for part in parts])[valid]

        order = np.argsort(join('index'))
        rows = [rows[i] for i in order]
        means = losses.means(*jax.tree.map(lambda *values: sum(values), *(part['losses'] for part in parts)))
        skipped = sorted(set(source.ids) - {row['id'] for row in rows})
        return SplitResult(rows, jax.tree.map(float, means), join('tokens')[order], join('labels')[order], skipped)

    def rows(self, part: dict[str, Any], source: Source) -> list[dict[str, Any]]:
        """A batch's lines of the predictions file; METEOR starts on them at once."""
        rows = [self.row(source, part, i) for i in np.flatnonzero(part['valid'])]
        nlg.align_ahead(self.compared(rows), [row['reference'] for row in rows])
        return rows

    def compared(self, rows: list[dict[str, Any]]) -> list[str]:
        """Reports as the field's protocol compares them."""
        return protocol.compared_strings(
            'cut',
            [row['report'] for row in rows],
            self.experiment.tokenizer,
            self.experiment.config.data.max_seq_length,
        )

    def row(self, source: Source, columns: dict[str, np.ndarray], i: int) -> dict[str, Any]:
        """One line of the predictions file."""
        study = source.studies[int(columns['index'][i])]
        tokenizer, length = self.experiment.tokenizer, self.experiment.config.data.max_seq_length
        patient = patient_of({'image_path': study.image_paths})
        row = {
            'id': study.id,
            **({'patient': patient} if patient else {}),
            'report': tokenizer.decode(columns['tokens'][i]),
            'reference': protocol.cut_string(study.report, tokenizer, length),
            'reference_full': protocol.full_string(study.report, tokenizer),
            'reference_raw': study.report,
            'log_prob': round(float(columns['scores'][i]), 6),
        }
        if 'class_probabilities' in columns:
            row['class_probabilities'] = [round(float(p), 6) for p in columns['class_probabilities'][i]]
        return row

    def language_scores(self, result: SplitResult) -> dict[str, float]:
        """Scores under the field's protocol, the selection score and the number of distinct reports."""
        reports = self.compared(result.rows)
        scores = nlg.score_reports(reports, [row['reference'] for row in result.rows]).corpus
        bleu_1 = 0.0 if self.experiment.config.selection == 'bleu_4' else 0.5
        return scores | {
            'selection_score': scores['BLEU_4'] + bleu_1 * scores['BLEU_1'],
            'distinct_reports': len(set(reports)),
        }

    def extra_scores(self, rows: list[dict[str, Any]]) -> dict[str, float]:
        """Numbers that the configuration's own metrics give the rows of a predictions file, as 'metric/name'."""
        scores = {called: metric(rows) for called, metric in self.extra_metrics.items()}
        for called, numbers in scores.items():
            if not isinstance(numbers, Mapping) or not all(isinstance(value, Real) for value in numbers.values()):
                raise ValueError(f'evaluation.metrics, {called}: expected a dict of numbers, got {numbers!r}.')
        return {
            f'{called}/{name}': float(value) for called, numbers in scores.items() for name, value in numbers.items()
        }


def one_ahead(results: Iterable[Any]) -> Iterator[Any]:
    """Device results on the host, each fetched when the next has been started."""
    running: list[Any] = []
    for result in results:
        running.append(result)
        if len(running) > 1:
            yield jax.device_get(running.pop(0))
    yield from map(jax.device_get, running)


def class_scores(result: SplitResult) -> dict[str, Any]:
    """Multi-label classification of the observations by the image (Table V); empty for the Base system."""
    if 'class_probabilities' not in result.rows[0]:
        return {}
    return classification.presence_scores(np.array([row['class_probabilities'] for row in result.rows]), result.labels)


def write_predictions(workdir: Path, split: str, result: SplitResult, made_by: dict[str, Any]) -> Path:
    """`workdir`/predictions/`split`.jsonl, whose lines name the run, and the forms that other harnesses read."""
    path = workdir / 'predictions' / f'{split}.jsonl'
    write_json_lines(path, [row | {'made_by': made_by} for row in result.rows])
    ids, reports, references = ([row[name] for row in result.rows] for name in ('id', 'report', 'reference_raw'))
    write_columns(path.with_name(f'{split}.findings.csv'), {'study_id': ids, 'findings': reports})
    pairs = {'sample_id': ids, 'reference': references, 'hypothesis': reports}
    write_columns(path.with_name(f'{split}.pairs.parquet'), pairs)
    return path


def shuffled(rows: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """The control: each study gets the report written for another study's images.

    A report depends on its images alone, so giving the images of study i to study j gives study j report i. No study
    gets a report on its own patient, unless more than half of the studies are of one.
    """
    order = np.random.default_rng(seed).permutation(len(rows))
    patients = patient_numbers(patients_of([rows[i] for i in order]))
    order = order[np.argsort(patients, kind='stable')]  # a patient's studies side by side
    giver = np.empty_like(order)
    giver[order] = np.roll(order, np.bincount(patients).max())
    return [row | {'report': rows[giver[i]]['report']} for i, row in enumerate(rows)]
