"""The model card of a published model: what it is, how to open it, its scores and their protocol."""

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from camanet_jax.metrics.protocol import CLEANED
from camanet_jax.reporting.tables import markdown_table
from camanet_jax.run.provenance import code_in_words
from camanet_jax.scoring.tables import clinical_tables, language_table

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
{distinct} distinct reports, {copied} copied word for word from train.

{tables}"""


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
    cleaning = entry['cleaning']
    return SCORES.format(
        studies=entry['studies'],
        split=split,
        words=cleaning['cut']['max_seq_length'] - 1,
        digests=', '.join(cleaning[name]['rules_sha256'][:12] for name in ('cut', 'full')),
        distinct=entry['distinct_reports'],
        copied=f'{entry["copied_from_train"]["cut"]:.1%}',
        tables='\n\n'.join([*(language_table(entry, name, digits=4) for name in CLEANED), *clinical_tables(entry)]),
    )
