"""The model card of a published model: what it is, how to open it, its scores and their protocol."""

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from camanet_jax.reporting.tables import markdown_table
from camanet_jax.run.provenance import code_in_words

CARD = """---
library_name: camanet_jax
tags: [radiology-report-generation, chest-x-ray, jax, flax]
---
# {name}

Writes the findings of chest films: CAMANet (Wang et al., J-BHI 2024), or a part of it, trained with camanet_jax.
**Not for clinical use.**

```python
import camanet_jax

reporter = camanet_jax.load('{name}')  # this folder, or hf://owner/{name}
print(reporter.generate([['frontal.png', 'lateral.png'][:{views}]])[0].report)
```

`python -m camanet_jax.generate.check {name}` compares an installation with the output in `reference/`.

{facts}

The whole configuration is in `config.json`, the words in `vocabulary.json`, the weights in `model.safetensors`.{code}

## Scores

{scores}
"""
SCORES = """{studies} studies of the {split} split. Protocol `cut`, the field's: both texts cleaned, words outside
the train vocabulary `<unk>`, cut to {words} words; `full`: cleaned and whole (digests of the rules: {digests}).
In brackets 95% intervals over studies. {distinct} distinct reports, {copied} copied word for word from train.

{table}

Clinical efficacy: labels by {labeler}; 14 observations and, macro, 13 without No Finding; uncertain as {uncertain}."""


def model_card(
    name: str, config: Mapping[str, Any], weights: Mapping[str, np.ndarray], step: int, scores: Mapping[str, Any] | None
) -> str:
    """The text of README.md.

    Args:
      config: as data, without paths of the machine.
      scores: the run's scores.json.
    """
    data, model = config['data'], config['model']
    made_by = (scores or {}).get('provenance', {})
    parameters = sum(array.size for path, array in weights.items() if path.startswith('params/'))
    facts = {
        'System': f'VDMAE {model["vdmae"]}, VTAC {model["vtac"]}, variant {config["variant"]}',
        'Reads': f'{data["views"]} film(s) of {data["image_size"]} x {data["image_size"]} pixels, frontal first',
        'Trained on': f'{data["name"]}, target: {made_by.get("section") or data.get("section") or "report"}',
        'Parameters': f'{parameters:,}',
        'Seed, step': f'{config["seed"]}, {step}',
        'Code': code_in_words(made_by.get('code')),
    }
    own = sorted(set(re.findall(r'[^"]+\.py:\w+', json.dumps(config))))
    code = f'\nIt needs code that is not in this folder: {", ".join(own)}.' if own else ''
    tables = [split_scores(split, scores[split]) for split in ('test', 'val') if split in scores] if scores else []
    return CARD.format(
        name=name,
        views=data['views'],
        facts=markdown_table(['', ''], list(facts.items()), left=2),
        code=code,
        scores='\n\n'.join(tables) or 'The model has not been scored.',
    )


def split_scores(split: str, entry: Mapping[str, Any]) -> str:
    """A split's scores beside the best constant report's, with what they depend on."""
    constant = entry.get('constant_baseline', {})
    policy = next(name for name in entry['clinical'] if name.startswith('uncertain_'))
    rows = [
        [f'{name}, {protocol}', with_interval(value, entry['intervals'][protocol][name]), number(others.get(name))]
        for protocol, others in (('cut', constant), ('full', constant.get('full', {})))
        for name, value in entry[protocol].items()
    ]
    clinical, other = entry['clinical']['conventions'], constant.get('clinical', {}).get('conventions', {})
    for classes, average in (('13', 'macro'), ('14', 'micro')):
        path = next(iter(clinical)), policy, classes, average, 'F1'
        rows.append([f'clinical F1, {average} {classes}', number(dig(clinical, path)), number(dig(other, path))])
    cleaning = entry['cleaning']
    return SCORES.format(
        studies=entry['studies'],
        split=split,
        words=cleaning['cut']['max_seq_length'] - 1,
        digests=', '.join(cleaning[name]['rules_sha256'][:12] for name in ('cut', 'full')),
        distinct=entry['distinct_reports'],
        copied=f'{entry["copied_from_train"]["cut"]:.1%}',
        table=markdown_table(['score', 'model', 'best constant report'], rows),
        labeler=entry['clinical']['labeler'],
        uncertain=policy.removeprefix('uncertain_'),
    )


def with_interval(value: float, interval: tuple[float, float]) -> str:
    """A score and its interval."""
    return f'{value:.4f} [{interval[0]:.4f}, {interval[1]:.4f}]'


def number(value: float | None) -> str:
    """A score, or a dash where there is none."""
    return '–' if value is None else f'{value:.4f}'


def dig(scores: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    """An entry of nested scores; None where they end before."""
    for name in path:
        scores = scores.get(name) if scores else None
    return scores
