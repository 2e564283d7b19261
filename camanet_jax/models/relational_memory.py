"""Relational memory (RM): a small recurrent memory over the embedded report (Chen et al., EMNLP 2020).

B studies, L report tokens, D width, S memory slots, H heads, K head size. Leading axes of the memory are free:
[B, S, D] in training, [B, N, S, D] with N beams in decoding.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from einops import rearrange
from flax import linen as nn
from jaxtyping import Array, Float

from camanet_jax.models.layers import MultiHeadAttention, linear, xavier_uniform


class MemoryInputs(NamedTuple):
    """One token's contribution to the recurrence; none of it depends on the memory.

    Attributes:
      key, value: [..., H, K, 1] and [..., H, 1, K], the token's part of the attention's keys and values.
      gates: [..., 1, 2 D], W(x): input and forget gate.
      kept: [..., H * S * (S + 1)], mask of the attention's dropout; None where nothing is dropped.
    """

    key: Array
    value: Array
    gates: Array
    kept: Array | None


class RelationalMemory(nn.Module):
    """M' = sig(input) * tanh(Z) + sig(forget) * M, where Z attends from the memory to [M; x].

    With `slots=0` there is no memory, and there are no parameters.
    """

    width: int
    heads: int
    slots: int = 3
    dropout: float = 0.1
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32

    def setup(self):
        options = dict(kernel_init=xavier_uniform, dtype=self.dtype, param_dtype=self.param_dtype)
        self.attention = MultiHeadAttention(self.width, self.heads, self.dropout, self.dtype, self.param_dtype)
        self.inner = linear(self.width, self.width, **options)
        self.outer = linear(self.width, self.width, **options)
        self.input_gates = linear(self.width, 2 * self.width, **options)
        self.memory_gates = linear(self.width, 2 * self.width, **options)

    def initial(self, *batch_shape: int) -> Float[Array, '... S D']:
        """M_0: rows of the identity."""
        rows = jnp.eye(self.slots, self.width, dtype=self.dtype)
        return jnp.broadcast_to(rows, (*batch_shape, *rows.shape))

    def project(self, embedded: Float[Array, '... D'], *, train: bool = False) -> MemoryInputs:
        """The part of the recurrence that can be computed for all tokens at once."""
        row = embedded[..., None, :]
        shape = (*embedded.shape[:-1], self.heads * self.slots * (self.slots + 1))  # flat: short axes are padded on TPU
        kept = self.attention.attention_dropout.draw(shape, deterministic=not train)
        return MemoryInputs(*self.attention.keys_values(row), self.input_gates(row), kept)

    def step(self, memory: Float[Array, '... S D'], inputs: MemoryInputs, *, train: bool) -> Float[Array, '... S D']:
        """The update of the memory by one token's contribution."""
        keys, values = self.attention.keys_values(memory)
        keys = jnp.concatenate([keys, inputs.key], axis=-1)
        values = jnp.concatenate([values, inputs.value], axis=-2)
        kept = inputs.kept
        if kept is not None:
            kept = rearrange(kept, '... (H S T) -> ... H S T', H=self.heads, S=self.slots)
        attended, _ = self.attention.attend(memory, keys, values, kept=kept, train=train)
        z = memory + attended
        z = z + nn.relu(self.outer(nn.relu(self.inner(z))))
        gates = inputs.gates + self.memory_gates(jnp.tanh(memory))
        input_gate, forget_gate = jnp.split(nn.sigmoid(gates), 2, axis=-1)
        return input_gate * jnp.tanh(z) + forget_gate * memory

    def read(self, memory: Float[Array, '... S D'], embedded: Float[Array, '... D']) -> Float[Array, '... S D']:
        """The memory after one more token, in evaluation."""
        return self.step(memory, self.project(embedded), train=False) if self.slots else memory

    def __call__(self, embedded: Float[Array, 'B L D'], *, train: bool) -> Float[Array, 'B L {self.slots}*D']:
        """The memory after each token, slots flattened."""
        if not self.slots:
            return jnp.zeros((*embedded.shape[:2], 0), self.dtype)

        def body(module, memory, inputs):
            memory = module.step(memory, inputs, train=train)
            return memory, memory

        scan = nn.scan(body, variable_broadcast='params', split_rngs={'params': False}, in_axes=1, out_axes=1)
        _, memories = scan(self, self.initial(embedded.shape[0]), self.project(embedded, train=train))
        return rearrange(memories, 'B L S D -> B L (S D)')
