"""Results of finished runs: scores computed again from predictions files, and the other measurements."""

import dataclasses
import functools
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from camanet_jax.data.schema import UNLABELLED
from camanet_jax.experiment import tokenizer_class
from camanet_jax.lab.ablation.grid import ALIGNMENT, COST, LABELS, SELECTION, list_runs, read_grid, recorded_code
from camanet_jax.lab.alignment.measurement import LESIONS
from camanet_jax.metrics import classification
from camanet_jax.metrics.scorer import Scorer, SetScores
from camanet_jax.metrics.scores import in_order
from camanet_jax.run.files import read_json, read_json_lines, read_text
from camanet_jax.run.provenance import code_in_words
from camanet_jax.run.workdir import CONFIG, VOCABULARY

# The paper's names of the data sets of recipes; other configuration files keep their own names.
DATA_SETS = {'iu_xray': 'IU-Xray', 'mimic': 'MIMIC-CXR'}
SPLIT = 'test'


@dataclasses.dataclass(frozen=True)
class RunResult:
    """A finished run; its files are read when they are needed."""

    system: str
    seed: int
    workdir: Path
    _scored: dict[str, SetScores] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    @functools.cached_property
    def config(self) -> dict[str, Any]:
        return read_json(self.workdir / CONFIG)

    @functools.cached_property
    def scores_file(self) -> dict[str, Any]:
        """scores.json, for its provenance and the constant report's scores."""
        return read_json(self.workdir / 'scores.json')

    def predictions(self, split: str) -> list[dict[str, Any]]:
        """The rows of a predictions file."""
        return read_json_lines(self.workdir / 'predictions' / f'{split}.jsonl')

    @property
    def code(self) -> dict[str, str] | None:
        """The code that made the run (`run.provenance.code_version`); None where it was not recorded."""
        return recorded_code(self.workdir)

    def has_predictions(self, name: str) -> bool:
        """Tells whether there is a predictions file of that name."""
        return (self.workdir / 'predictions' / f'{name}.jsonl').exists()

    def scored(self, name: str) -> SetScores:
        """Scores of a predictions file, made once."""
        if name not in self._scored:
            rows = in_order(self.predictions(name))
            make = tokenizer_class(self.config['data']['tokenizer']).from_json
            tokenizer = make(read_text(self.workdir / VOCABULARY))
            scorer = Scorer(tokenizer, self.config['data']['max_seq_length'], protocols=('cut',))
            reports, references = ([row[side] for row in rows] for side in ('report', 'reference_full'))
            self._scored[name] = scorer.score(reports, references)
        return self._scored[name]

    @functools.cached_property
    def scores(self) -> dict[str, Any]:
        """Scores of the test split: `cut` (language), `clinical` (micro precision, recall, F1), `distinct_reports`."""
        rows, scores = self.predictions(SPLIT), self.scored(SPLIT)
        return {
            'cut': scores.nlg['cut'].corpus,
            'clinical': scores.clinical['uncertain_negative']['micro'],
            'distinct_reports': len({row['report'] for row in rows}),
            'studies': len(rows),
        }

    def classification(self, split: str) -> dict[str, Any] | None:
        """Scores of the classifier against the pseudo-labels; None without a classifier or labels."""
        rows = self.predictions(split)
        labels = read_json(self.workdir / LABELS)[split] if (self.workdir / LABELS).exists() else {}
        rows = [row for row in rows if row['id'] in labels]
        if not rows or 'class_probabilities' not in rows[0]:
            return None
        target = np.array([labels[row['id']] for row in rows], float)
        target[target == UNLABELLED] = np.nan
        return classification.presence_scores(np.array([row['class_probabilities'] for row in rows]), target) or None

    @functools.cached_property
    def train_epoch_seconds(self) -> float:
        """The median time of a step times the steps of an epoch, so that neither compilation nor a stop counts."""
        rows = [row for row in read_json_lines(self.workdir / 'metrics.jsonl') if row['split'] == 'train']
        steps = sum(row['epoch'] == 1 for row in rows)
        return steps * statistics.median(row['time/seconds'] for row in rows)

    def _measurement(self, name: str) -> dict[str, Any] | None:
        return read_json(self.workdir / name) if (self.workdir / name).exists() else None

    @functools.cached_property
    def cost(self) -> dict[str, Any] | None:
        """Parameters and times; None where they have not been measured."""
        return self._measurement(COST)

    @functools.cached_property
    def selection(self) -> dict[str, Any] | None:
        """The effect of VTAC's selection; None where it has not been measured."""
        return self._measurement(SELECTION)

    @functools.cached_property
    def alignment(self) -> dict[str, Any] | None:
        """Alignment scores by map; None where they have not been measured."""
        return (self._measurement(ALIGNMENT) or {}).get('maps')

    @functools.cached_property
    def hiding(self) -> dict[str, Any]:
        """By how much hiding lesions lowers their words' log-probability; empty where it has not been measured."""
        return (self._measurement(ALIGNMENT) or {}).get('hiding', {})

    @functools.cached_property
    def lesions(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Alignment scores by study, observation and map; empty where they have not been measured."""
        path = self.workdir / LESIONS
        rows = read_json_lines(path) if path.exists() else []
        return {(row['id'], row['observation']): row['maps'] for row in rows}


@dataclasses.dataclass(frozen=True)
class Results:
    """All finished runs of a grid."""

    config_file: str
    systems: list[str]  # requested, in order
    seeds: int  # requested
    by_system: dict[str, list[RunResult]]  # finished, by seed

    @property
    def data_set(self) -> str:
        """The data set's name as in the paper's tables."""
        stem = Path(self.config_file).stem
        return DATA_SETS.get(stem, f'{stem} (synthetic)' if self.synthetic else stem)

    @property
    def synthetic(self) -> bool:
        return any(run.config['data']['name'] == 'synthetic' for runs in self.by_system.values() for run in runs)

    def runs(self, system: str) -> list[RunResult]:
        """The finished runs of a system."""
        return self.by_system.get(system, [])

    def pairs(self, system: str, base: str) -> list[tuple[RunResult, RunResult]]:
        """The finished runs of two systems with the same seed."""
        others = {run.seed: run for run in self.runs(base)}
        return [(run, others[run.seed]) for run in self.runs(system) if run.seed in others]

    def every_run(self) -> list[RunResult]:
        """The finished runs of all systems."""
        return [run for runs in self.by_system.values() for run in runs]


def read_results(output: Path) -> Results:
    """Reads the grid in `output` with the runs that have finished."""
    grid = read_grid(output)
    by_system: dict[str, list[RunResult]] = {}
    for run in list_runs(output, grid['systems'], grid['seeds']):
        if (run.workdir / 'scores.json').exists():
            by_system.setdefault(run.system, []).append(RunResult(run.system, run.seed, run.workdir))
    check_same_code(output, [run for runs in by_system.values() for run in runs])
    return Results(grid['config'], grid['systems'], grid['seeds'], by_system)


def check_same_code(output: Path, runs: list[RunResult]) -> None:
    """Raises ValueError where runs were made by different code: their tables would compare more than systems."""
    by_sources = {(run.code or {}).get('sources'): run for run in runs}
    if len(by_sources) > 1:
        codes = '; '.join(f'{run.workdir.name}: {code_in_words(run.code)}' for run in by_sources.values())
        raise ValueError(
            f'Expected all runs in {output} to be made by the same code, got {codes}. Move the runs of one of them to '
            'another --output.'
        )
