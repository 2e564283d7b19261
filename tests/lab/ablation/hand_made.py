"""Finished runs written by hand: the files that tables are made from."""

import json
from pathlib import Path
from typing import Any

from camanet_jax.configuration import as_data, recipe
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.lab.ablation.grid import record_grid
from camanet_jax.lab.ablation.systems import system_config

REFERENCES = ['the heart is large .', 'the lungs are clear .', 'no effusion is seen .', 'the heart is not large .']
LABELS = [[1, 0] + [0] * 12, [0, 1] + [0] * 12, [0] * 14, [1] + [0] * 13]
CONSTANT = {'BLEU_4': 0.125, 'CIDEr': 0.5, 'clinical': {'uncertain_negative': {'micro': {'F1': 0.25}}}}


def write_run(
    output: Path,
    system: str,
    seed: int,
    reports: list[str],
    probabilities: Any = None,
    *,
    maps: dict[str, float] | None = None,
    step_seconds: tuple[float, ...] = (9.0, 1.0, 1.0),
    test_seconds: float = 4.0,
    parameters: int = 1000,
) -> Path:
    """A run with these test reports; `maps` gives the pointing of each map."""
    workdir = output / 'runs' / f'{system}-seed{seed}'
    (workdir / 'predictions').mkdir(parents=True)
    write(workdir / 'config.json', as_data(system_config(recipe('ablation'), system, seed)))
    (workdir / 'vocabulary.json').write_text(Tokenizer.build(REFERENCES, cleaner='iu_xray', threshold=1).to_json())
    for split in ('val', 'test'):
        write_predictions(workdir / 'predictions' / f'{split}.jsonl', reports, probabilities)
    names = [f'study{i}' for i in range(len(REFERENCES))]
    write(workdir / 'labels.json', {split: dict(zip(names, LABELS, strict=True)) for split in ('val', 'test')})
    provenance = {'step': 100 + seed, 'versions': {'jax': '0.10'}, 'device': '1 x cpu (cpu)'}
    write(workdir / 'scores.json', {'provenance': provenance, 'test': {'constant_baseline': CONSTANT}})
    write(workdir / 'cost.json', {'parameters': parameters, 'test_seconds': test_seconds, 'test_studies': 4})
    lines = [{'step': i, 'epoch': 1, 'split': 'train', 'time/seconds': s} for i, s in enumerate(step_seconds, 1)]
    (workdir / 'metrics.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    entries = {
        name: {'lesions': 7}
        | {
            measure: {'value': value, 'chance': 0.1, 'difference': value - 0.1, 'difference_low': value - 0.3}
            for measure in ('pointing', 'energy', 'iou')
        }
        for name, value in (maps or {}).items()
    }
    hiding = {'lesions': 7, 'value': 1.5, 'baseline': 0.5}
    write(workdir / 'alignment.json', {'maps': entries, 'hiding': hiding if maps else {'lesions': 0}})
    measures = {name: dict.fromkeys(('pointing', 'energy', 'iou'), value) for name, value in (maps or {}).items()}
    lesion = {'id': 'study0', 'observation': 'Edema', 'maps': measures}
    (workdir / 'alignment_lesions.jsonl').write_text(json.dumps(lesion) + '\n')
    return workdir


def write_predictions(path: Path, reports: list[str], probabilities: Any = None) -> None:
    """A predictions file of the references' studies."""
    rows = [
        {'id': f'study{i}', 'report': report, 'reference': reference, 'reference_full': reference}
        for i, (report, reference) in enumerate(zip(reports, REFERENCES, strict=True))
    ]
    for row, values in zip(rows, probabilities or [], strict=False):
        row['class_probabilities'] = values
    path.write_text(''.join(json.dumps(row) + '\n' for row in rows), encoding='utf-8')


def write_grid(output: Path, systems: list[str], seeds: int, config: str = 'configs/ablation.py') -> None:
    """The grid's record."""
    record_grid(output, config=config, systems=systems, seeds=seeds)


def write(path: Path, data: dict) -> None:
    path.write_text(json.dumps(data), encoding='utf-8')
