"""What the tables depend on, and the command for what was not measured."""

from collections.abc import Sequence

from camanet_jax.lab.ablation.results import DATA_SETS, Results
from camanet_jax.lab.ablation.systems import PRINTED_NAMES
from camanet_jax.reporting.paper import paper_table

SCRIPT = 'python scripts/run_ablations.py'


def provenance_notes(results: Results, systems: Sequence[str] | None = None) -> tuple[str, ...]:
    """Configuration, variants, seeds, steps, split, protocol and versions of our rows; of all systems by default."""
    runs = [run for run in results.every_run() if systems is None or run.system in systems]
    if not runs:
        return ()
    names = dict.fromkeys(run.system for run in runs)
    parts = '; '.join(f'{name}: {_of_system(results, name)}' for name in names)
    recorded = [run.scores_file['provenance'] for run in runs]
    versions = dict.fromkeys(_versions(entry['versions']) for entry in recorded)
    devices = dict.fromkeys(entry['device'] for entry in recorded)
    return (
        f'Rows "here": {results.config_file}, split test, protocol cut, ± sample standard deviation over seeds. '
        f'By system variant, seeds and steps of the selected checkpoints: {parts}.',
        f'Devices: {", ".join(devices)}. Versions: {"; or ".join(versions)}.',
    )


def _of_system(results: Results, name: str) -> str:
    runs = results.runs(name)
    variants = ', '.join(dict.fromkeys(run.config['variant'] for run in runs))
    seeds = ', '.join(str(run.config['seed']) for run in runs)
    steps = ', '.join(str(run.scores_file['provenance']['step']) for run in runs)
    return f'{variants}, seeds {seeds}, steps {steps}'


def _versions(versions: dict[str, str]) -> str:
    return ', '.join(f'{name} {version}' for name, version in versions.items())


def unfinished(results: Results) -> list[str]:
    """The systems of the paper or of the grid that have no run."""
    known = dict.fromkeys([*PRINTED_NAMES, *results.systems])
    return [system for system in known if not results.runs(system)]


def papers_systems(data_set: str) -> list[str]:
    """Those of Table IV."""
    printed = paper_table('IV').data_sets[data_set]
    return [system for system, name in PRINTED_NAMES.items() if name in printed]


def command_for(data_set: str, results: Results, systems: Sequence[str] | None = None) -> str:
    """A note with the command that measures what is missing on a data set."""
    files = {name: f'configs/{stem}.py' for stem, name in DATA_SETS.items()}
    own = data_set == results.data_set
    file = results.config_file if own else files[data_set]
    stem = file.rsplit('/', 1)[-1].removesuffix('.py')
    asked = systems or (unfinished(results) if own else papers_systems(data_set))
    place = '' if own else f' --config.data_dir=/data/{"iu_xray" if data_set == "IU-Xray" else "mimic_cxr"}'
    return (
        f'Not measured, {data_set}: `{SCRIPT} --config={file} --systems={",".join(asked)} --seeds={results.seeds} '
        f'--output=runs/{"ablation" if own else f"ablation_{stem}"}{place}`'
    )
