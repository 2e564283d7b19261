"""A CheXbert small enough for every test: two layers of two heads, random weights in the authors' names."""

import numpy as np

WORDS = (
    '[PAD]',
    '[UNK]',
    '[CLS]',
    '[SEP]',
    '[MASK]',
    'no',
    'small',
    'effusion',
    'pneu',
    '##mo',
    '##thorax',
    'heart',
    'is',
    'normal',
    'cafe',
    '.',
    ',',
    '-',
    '1',
)
WIDTH, FEED_FORWARD, LAYERS, POSITIONS = 128, 160, 2, 16


def shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes as the authors' checkpoint has them."""
    found = {
        'bert.embeddings.word_embeddings.weight': (len(WORDS), WIDTH),
        'bert.embeddings.position_embeddings.weight': (POSITIONS, WIDTH),
        'bert.embeddings.token_type_embeddings.weight': (2, WIDTH),
    }
    dense = {
        'attention.self.query': (WIDTH, WIDTH),
        'attention.self.key': (WIDTH, WIDTH),
        'attention.self.value': (WIDTH, WIDTH),
        'attention.output.dense': (WIDTH, WIDTH),
        'intermediate.dense': (FEED_FORWARD, WIDTH),
        'output.dense': (WIDTH, FEED_FORWARD),
    }
    layers = [f'bert.encoder.layer.{number}' for number in range(LAYERS)]
    linear = {f'{layer}.{name}': shape for layer in layers for name, shape in dense.items()}
    linear |= {'bert.pooler.dense': (WIDTH, WIDTH)}
    linear |= {f'linear_heads.{number}': (4 if number < 13 else 2, WIDTH) for number in range(14)}
    norms = ['bert.embeddings', *(f'{layer}.{name}' for layer in layers for name in ('attention.output', 'output'))]
    for name, shape in linear.items():
        found |= {f'{name}.weight': shape, f'{name}.bias': shape[:1]}
    for name in norms:
        found |= {f'{name}.LayerNorm.weight': (WIDTH,), f'{name}.LayerNorm.bias': (WIDTH,)}
    return found


def random_state_dict() -> dict[str, np.ndarray]:
    """Random weights, large enough for labels of every kind to occur."""
    draw = np.random.default_rng(0).standard_normal
    return {
        name: np.float32(draw(shape) * (0.15 if len(shape) > 1 else 0.3) + name.endswith('LayerNorm.weight'))
        for name, shape in shapes().items()
    }
