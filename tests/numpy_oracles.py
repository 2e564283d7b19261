"""The model's equations in plain NumPy, one study and one token at a time, written from the description of the method.

Weights come as Flax parameter trees of the module that is tested.
"""

import numpy as np


def linear(params, x):
    return x @ params['kernel'] + params['bias']


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def layer_norm(gamma, beta, x):
    """gamma * (x - mean) / (std + 1e-6) + beta, std with n - 1."""
    return gamma * (x - x.mean(-1, keepdims=True)) / (x.std(-1, ddof=1, keepdims=True) + 1e-6) + beta


def attention(params, heads, queries, context, mask=None):
    """Multi-head attention of [Q, D] over [L, D]. Returns [Q, D] and probabilities [H, Q, L]."""
    q, k, v = linear(params['query'], queries), linear(params['key'], context), linear(params['value'], context)
    size = q.shape[-1] // heads
    mixed, probabilities = [], []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = q[:, part] @ k[:, part].T / np.sqrt(size)
        if mask is not None:
            scores = np.where(mask, scores, -1e9)
        probabilities.append(softmax(scores))
        mixed.append(probabilities[-1] @ v[:, part])
    return linear(params['out'], np.concatenate(mixed, -1)), np.stack(probabilities)


def relational_memory(params, heads, slots, embedded):
    """The memory after each token of one report [L, D]: [L, S * D]."""
    memory, rows = np.eye(slots, embedded.shape[-1]), []
    for x in embedded:
        z = memory + attention(params['attention'], heads, memory, np.concatenate([memory, x[None]]))[0]
        z = z + relu(linear(params['outer'], relu(linear(params['inner'], z))))
        gates = linear(params['input_gates'], x) + linear(params['memory_gates'], np.tanh(memory))
        input_gate, forget_gate = np.split(sigmoid(gates), 2, -1)
        memory = input_gate * np.tanh(z) + forget_gate * memory
        rows.append(memory.ravel())
    return np.stack(rows)


def mcln(params, x, memory):
    """LayerNorm whose gain and offset the memory adds to: [L, D], [L, S * D]."""

    def shift(mlp):
        return linear(mlp['outer'], relu(linear(mlp['inner'], memory)))

    return layer_norm(params['gamma'] + shift(params['mlp_gamma']), params['beta'] + shift(params['mlp_beta']), x)


def feed_forward(params, x):
    return linear(params['outer'], relu(linear(params['inner'], x)))


def decoder(params, heads, embedded, memory, encoded, valid):
    """All layers of the decoder for one report. Returns [L, D] and the last layer's cross-attention [H, L, P]."""
    x = embedded
    mask = np.tril(np.ones((len(x), len(x)), bool)) & valid[None]
    for i in range(sum(name.startswith('layer') for name in params)):
        layer = params[f'layer{i}']
        normed = mcln(layer['norm1'], x, memory)
        x = x + attention(layer['self_attention'], heads, normed, normed, mask)[0]
        mixed, probabilities = attention(layer['cross_attention'], heads, mcln(layer['norm2'], x, memory), encoded)
        x = x + mixed
        x = x + feed_forward(layer['feed_forward_block'], mcln(layer['norm3'], x, memory))
    return layer_norm(params['norm']['gamma'], params['norm']['beta'], x), probabilities


def encoder(params, heads, x):
    """All layers of the encoder for one study [P + 1, D]."""
    for i in range(sum(name.startswith('layer') for name in params)):
        layer = params[f'layer{i}']
        normed = layer_norm(**layer['norm1'], x=x)
        x = x + attention(layer['self_attention'], heads, normed, normed)[0]
        x = x + feed_forward(layer['feed_forward_block'], layer_norm(**layer['norm2'], x=x))
    return layer_norm(**params['norm'], x=x)


def min_max(values):
    values = values - values.min()
    return values / max(values.max(), 1e-12)


def vdm(cams, present, norm):
    """d^v [P] of one study from its maps [Y, P]."""
    chosen = [min_max(cam) if norm == 'class' else cam for cam, there in zip(cams, present, strict=True) if there]
    if not chosen:
        return np.zeros(cams.shape[-1])
    strongest = np.max(chosen, axis=0)
    return min_max(strongest) if norm == 'map' else strongest


def tdm(words, query, attention_map, candidates, count, norm):
    """d^t [P] of one study and the selected positions, words [L, D], attention [L, P]."""
    similarity = [word @ query / (max(np.linalg.norm(word), 1e-8) * max(np.linalg.norm(query), 1e-8)) for word in words]
    order = sorted((j for j in range(len(words)) if candidates[j]), key=lambda j: -similarity[j])
    selected = order[:count]
    if norm == 'word':
        maps = [relu(similarity[j]) * min_max(relu(attention_map[j])) for j in selected]
        return np.max(maps, axis=0), set(selected)
    maps = [relu(similarity[j] * attention_map[j]) for j in selected]
    return min_max(np.max(maps, axis=0)), set(selected)
