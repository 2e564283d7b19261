"""BERT written out in NumPy over the authors' names: the oracle, one report at a time, no padding."""

import math

import numpy as np


def chexbert(weights, ids):
    """The last layer's first token [D] and a list of the 14 heads' logits."""
    weights = {name: np.asarray(array, np.float64) for name, array in weights.items()}

    def dense(name, x):
        return x @ weights[f'{name}.weight'].T + weights[f'{name}.bias']

    def norm(name, x):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * weights[f'{name}.LayerNorm.weight'] + weights[f'{name}.LayerNorm.bias']

    tables = [weights[f'bert.embeddings.{kind}_embeddings.weight'] for kind in ('word', 'position', 'token_type')]
    x = norm('bert.embeddings', tables[0][ids] + tables[1][: len(ids)] + tables[2][0])
    layer = 0
    while (prefix := f'bert.encoder.layer.{layer}') + '.output.dense.bias' in weights:
        query, key, value = (dense(f'{prefix}.attention.self.{name}', x) for name in ('query', 'key', 'value'))
        heads = [
            attend(*(part[:, start : start + 64] for part in (query, key, value))) for start in range(0, x.shape[1], 64)
        ]
        x = norm(f'{prefix}.attention.output', x + dense(f'{prefix}.attention.output.dense', np.hstack(heads)))
        inner = np.vectorize(gelu)(dense(f'{prefix}.intermediate.dense', x))
        x = norm(f'{prefix}.output', x + dense(f'{prefix}.output.dense', inner))
        layer += 1
    return x[0], [dense(f'linear_heads.{head}', x[0]) for head in range(14)]


def attend(query, key, value):
    """One head."""
    scores = np.exp(query @ key.T / 8)
    return scores / scores.sum(-1, keepdims=True) @ value


def gelu(x):
    """x times the normal distribution function."""
    return x * (1 + math.erf(x / math.sqrt(2))) / 2
