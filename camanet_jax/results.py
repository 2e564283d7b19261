"""The files of an evaluated run: predictions, scores.json, figures, report.html."""

import logging
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict
from orbax.checkpoint import multihost

from camanet_jax import configuration, evaluate, sharding
from camanet_jax.data.schema import SPLITS
from camanet_jax.data.sources import Source
from camanet_jax.evaluate import Evaluator, SplitResult
from camanet_jax.experiment import Experiment, open_splits
from camanet_jax.metrics import constant_baseline, nlg, scores
from camanet_jax.metrics.scores import in_order
from camanet_jax.reporting import curves, run_report
from camanet_jax.reporting.tables import text_table
from camanet_jax.run.files import write_json
from camanet_jax.run.provenance import caption, code_version, in_rows, numerics, package_versions, run_provenance
from camanet_jax.run.workdir import only_writer, open_trained

LOG = logging.getLogger(__name__)
LONGEST_WAIT_MS = 24 * 3600 * 1000  # for process 0, which writes all files


def evaluate_workdir(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Evaluates the best checkpoint of a run on val and test (`--mode=evaluate`)."""
    sharding.log_devices()
    sharding.check_batch_size('evaluation.batch_size', config.evaluation.batch_size)
    trained = open_trained(workdir, config)
    nlg.find_meteor()  # here, since Ctrl+C does not end a wait for Java in another thread
    return write_results(workdir, Evaluator(trained.experiment, sharding.make_mesh()), trained.variables, trained.step)


def write_results(workdir: Path, evaluator: Evaluator, variables: dict[str, Any], step: int) -> dict[str, Any]:
    """Evaluates val and test, writes every file and logs its name; returns the contents of scores.json.

    Raises:
      ValueError: another process does.
      OSError: the folder cannot be written.
    """
    with only_writer(workdir / 'predictions', 'evaluating'):
        return _write_results(workdir, evaluator, variables, step)


def _write_results(workdir: Path, evaluator: Evaluator, variables: dict[str, Any], step: int) -> dict[str, Any]:
    config = evaluator.experiment.config
    sources = dict(zip(SPLITS, open_splits(config), strict=True))
    constant = constant_report(evaluator, sources) if config.evaluation.constant_baseline else None
    tokenizer = evaluator.experiment.tokenizer
    train = constant_baseline.train_texts(sources['train'].reports, tokenizer, config.data.max_seq_length)
    entries: dict[str, Any] = {
        'provenance': provenance(config, step) | {'data': sources['test'].content, 'section': sources['test'].section}
    }
    written: list[Path] = []
    for split in ('val', 'test'):
        result = evaluator.run(variables, sources[split], f'Evaluating {split}')
        entries[split] = split_scores(evaluator, result, constant, train)
        if jax.process_index() == 0:
            written.append(evaluate.write_predictions(workdir, split, result, in_rows(entries['provenance'])))
            log_scores(split, entries[split], entries['provenance'])
    if jax.process_index() == 0:
        write_json(workdir / 'scores.json', entries)
        written.append(workdir / 'scores.json')
        if (workdir / 'metrics.jsonl').exists():
            written += curves.draw_curves(workdir / 'metrics.jsonl', workdir / 'figures')
    written += write_pages(workdir, evaluator.experiment, variables, sources['test'])
    if jax.process_index() == 0:
        LOG.info('Files written:\n  %s', '\n  '.join(str(path) for path in written))
    return entries


def write_pages(workdir: Path, experiment: Experiment, variables: dict[str, Any], test: Source) -> list[Path]:
    """Draws figures/ and writes report.html: process 0, on its own devices. The others wait and run no program."""
    written = []
    if jax.process_index() == 0:
        own = sharding.put_replicated(jax.device_get(variables), sharding.own_mesh())
        written = run_report.write_report(workdir, experiment, own, test)
    multihost.get_barrier_sync_fn()(key='pages written', timeout_ms=LONGEST_WAIT_MS)
    return written


def constant_report(evaluator: Evaluator, sources: dict[str, Source]) -> constant_baseline.ConstantReport:
    """The best single report for every study, chosen on the validation split."""
    config, tokenizer = evaluator.experiment.config, evaluator.experiment.tokenizer
    reports = sources['train'].reports, sources['val'].reports
    return constant_baseline.select_constant_report(*reports, tokenizer, config.data.max_seq_length)


def split_scores(
    evaluator: Evaluator,
    result: SplitResult,
    constant: constant_baseline.ConstantReport | None,
    train: constant_baseline.TrainTexts,
) -> dict[str, Any]:
    """A split's entry in scores.json."""
    tokenizer, config = evaluator.experiment.tokenizer, evaluator.experiment.config
    rows, control = in_order(result.rows), None
    if config.evaluation.shuffled_control:
        control = [row['report'] for row in in_order(evaluate.shuffled(result.rows, config.seed))]
    entry = scores.score_predictions(
        rows, tokenizer, config.data.max_seq_length, constant=constant, train=train, control=control
    )
    entry |= {'classification': evaluate.class_scores(result), 'losses': result.losses}
    entry['skipped_studies'] = result.skipped
    if config.evaluation.metrics:
        entry['metrics'] = evaluator.extra_scores(rows)
    return entry


def provenance(config: ConfigDict, step: int) -> dict[str, Any]:
    """Configuration, versions and devices that the scores depend on."""
    device = jax.devices()[0]
    return run_provenance(configuration.as_data(config), step) | {
        'versions': package_versions(),
        'code': code_version(),
        'numerics': numerics(),
        'device': f'{jax.device_count()} x {device.device_kind} ({device.platform})',
    }


def log_scores(split: str, entry: dict[str, Any], made_by: dict[str, Any]) -> None:
    """Logs a table of the main scores beside the constant report's, with its provenance."""
    names = list(entry['cut'])
    rows = {'model': entry['cut']}
    if 'constant_baseline' in entry:
        rows['constant'] = entry['constant_baseline']
    cells = [[title, *(f'{scores[name]:.4f}' for name in names)] for title, scores in rows.items()]
    counts = entry['studies'], entry['distinct_reports'], 100 * entry['copied_from_train']['cut']
    LOG.info('%s, %d studies, %d distinct reports, %.1f%% copied from train, protocol cut:', split, *counts)
    LOG.info('%s\n%s', '\n'.join(text_table([['', *names], *cells])), caption(made_by))
    if 'metrics' in entry:
        LOG.info('%s, %s', split, ', '.join(f'{name} {value:.4f}' for name, value in entry['metrics'].items()))
    for other in ('constant_baseline', 'shuffled_images'):
        if 'difference' in entry.get(other, {}):
            log_differences(split, other, entry[other]['difference'])


def log_differences(split: str, other: str, difference: dict[str, Any]) -> None:
    """Logs the model's lead over a baseline, with 95% bootstrap intervals."""
    for group, name in (('cut', 'CIDEr'), ('clinical', 'micro_F1'), ('clinical', 'findings_macro_F1')):
        numbers = (difference[group][name][key] for key in ('difference', 'low', 'high'))
        LOG.info('%s, %s %s above %s: %.4f [%.4f, %.4f]', split, group, name, other.replace('_', ' '), *numbers)
