"""Computes RadEval's metrics on exported pairs; runs in RadEval's environment, not in camanet_jax's.

python score_pairs.py pairs.json radeval.json radgraph bertscore radcliq green
"""

import importlib.metadata
import json
import sys

from radeval import RadEval


def main(pairs_file: str, scores_file: str, *metrics: str) -> None:
    """Writes one value per study for each metric, with the ids that say whose it is."""
    with open(pairs_file, encoding='utf-8') as file:
        pairs = json.load(file)
    scores = RadEval(metrics=list(metrics), per_sample=True)(refs=pairs['references'], hyps=pairs['hypotheses'])
    made_by = {'ids': pairs['ids'], 'protocol': pairs['protocol'], 'radeval': importlib.metadata.version('radeval')}
    with open(scores_file, 'w', encoding='utf-8') as file:
        json.dump(made_by | scores, file, default=float)


if __name__ == '__main__':
    main(*sys.argv[1:])
