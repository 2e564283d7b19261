"""The names and layouts of the authors' PyTorch state dict, and ours.

One table of substitutions turns the path of one of our variables into their name, for reading and for writing. Layouts
differ in three ways: their linear kernels are transposed, their convolution kernels are [out, in, height, width], and
our 1x1 convolutions are matrices. Another network, or a visual extractor, has a `Naming` of its own as the attribute
`torch_names` of its class.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util

SUBSTITUTIONS = (
    # A ResNet is a sequence of torchvision's parts: 0 and 1 the first convolution and its norm, 4 to 7 the stages.
    (r'^backbone/conv1/', 'visual_extractor.model.0.'),
    (r'^backbone/bn1/', 'visual_extractor.model.1.'),
    (r'^backbone/stage(\d)_unit(\d+)/', lambda match: f'visual_extractor.model.{int(match[1]) + 3}.{match[2]}.'),
    (r'downsample_conv/', 'downsample.0.'),
    (r'downsample_bn/', 'downsample.1.'),
    (r'^backbone/', 'visual_extractor.model.'),
    (r'block(\d+)/layer(\d+)/', r'denseblock\1.denselayer\2.'),
    (r'^classifier/', 'visual_extractor.head.'),
    (r'^discriminative_norm/', 'fore_back_learn.norm.'),
    (r'^unused_background_norm/', 'fore_back_learn.back_norm.'),
    (r'^input_projection/', 'encoder_decoder.att_embed.0.'),
    (r'^vocabulary_head/', 'encoder_decoder.logit.'),
    (r'^embedding/embedding$', 'encoder_decoder.model.tgt_embed.0.lut.weight'),
    (r'^image_head/', 'encoder_decoder.proj_image_clip.'),
    (r'^text_head/', 'encoder_decoder.proj_text_clip.'),
    (r'^contrastive_log_scale$', 'encoder_decoder.logit_scale'),
    (r'^(en|de)coder/', r'encoder_decoder.model.\1coder.'),
    (r'^memory/inner/', 'encoder_decoder.model.rm.mlp.0.'),
    (r'^memory/outer/', 'encoder_decoder.model.rm.mlp.2.'),
    (r'^memory/input_gates/', 'encoder_decoder.model.rm.W.'),
    (r'^memory/memory_gates/', 'encoder_decoder.model.rm.U.'),
    (r'^memory/attention/', 'encoder_decoder.model.rm.attn.'),
    (r'coder\.layer(\d)/', r'coder.layers.\1.'),
    (r'self_attention/', 'self_attn.'),
    (r'cross_attention/', 'src_attn.'),
    (r'attn\.query/', 'attn.linears.0.'),
    (r'attn\.key/', 'attn.linears.1.'),
    (r'attn\.value/', 'attn.linears.2.'),
    (r'attn\.out/', 'attn.linears.3.'),
    (r'feed_forward_block/inner/', 'feed_forward.w_1.'),
    (r'feed_forward_block/outer/', 'feed_forward.w_2.'),
    (r'(coder\.layers\.\d)\.norm1/', r'\1.sublayer.0.norm.'),
    (r'(coder\.layers\.\d)\.norm2/', r'\1.sublayer.1.norm.'),
    (r'(coder\.layers\.\d)\.norm3/', r'\1.sublayer.2.norm.'),
    (r'(mlp_\w+)/inner/', r'\1.0.'),
    (r'(mlp_\w+)/outer/', r'\1.2.'),
    (r'/', '.'),
    (r'\.(kernel|scale)$', '.weight'),
    (r'\.mean$', '.running_mean'),
    (r'\.var$', '.running_var'),
)
Replacement = tuple[str, str | Callable[[re.Match], str]]  # a pattern, and what takes its place (`re.sub`)


def renamed(name: str, substitutions: Iterable[Replacement]) -> str:
    """A name after (pattern, replacement) pairs, one after the other."""
    for pattern, replacement in substitutions:
        name = re.sub(pattern, replacement, name)
    return name


class Naming(NamedTuple):
    """The names in the PyTorch state dict of a network, or of a visual extractor.

    Attributes:
      substitutions: applied one after the other, they make a name of a variable's path, e.g. of
        'encoder/layer0/norm1/gamma'; an extractor's paths begin inside it.
      aliases: make, of the name of an array that the state dict holds twice, the other name.
      position_codes: names of the sinusoidal codes in it.
      ignored: pattern of other names that no variable corresponds to; BatchNorm's counters are never one.
    """

    substitutions: tuple[Replacement, ...]
    aliases: tuple[Replacement, ...] = ()
    position_codes: tuple[str, ...] = ()
    ignored: str = r'num_batches_tracked$'

    def name(self, path: str) -> str:
        """The name of the variable at `path`."""
        return renamed(path, self.substitutions)

    def second_names(self, names: Iterable[str]) -> dict[str, str]:
        """{second name: name} of those that have two."""
        return {alias: name for name in names if (alias := renamed(name, self.aliases)) != name}


CAMANET = Naming(
    SUBSTITUTIONS,
    aliases=((r'^fore_back_learn\.norm\.', 'fore_back_learn.fore_norm.'),),
    position_codes=('encoder_decoder.model.tgt_embed.1.pe',),
)


def naming_of(network: object) -> Naming:
    """The names of a network's state dict: its own, or CAMANet's."""
    return getattr(network, 'torch_names', CAMANET)


def to_torch(path: str, value: np.ndarray) -> np.ndarray:
    """A variable in PyTorch's layout."""
    if not path.endswith('/kernel'):
        return value
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)
    return value.T[..., None, None] if 'conv' in path.split('/')[-2] else value.T


def from_torch(value: np.ndarray, path: str) -> np.ndarray:
    """A PyTorch array in our layout for the variable at `path`."""
    if not path.endswith('/kernel'):
        return value
    if value.ndim == 4 and value.shape[2:] != (1, 1):
        return value.transpose(2, 3, 1, 0)
    return value.reshape(value.shape[:2]).T


def flatten(variables: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """{(collection, path): array} of a variables tree."""
    return {
        (collection, path): value
        for collection, tree in variables.items()
        for path, value in traverse_util.flatten_dict(tree, sep='/').items()
    }


def load_variables(
    state_dict: Mapping[str, np.ndarray], template: Mapping[str, Any], naming: Naming = CAMANET
) -> dict[str, Any]:
    """Our variables from an official state dict.

    Args:
      state_dict: arrays by the official program's names.
      template: our variables, as arrays or shapes, with the names, shapes and dtypes wanted.
      naming: of the state dict.

    Raises:
      ValueError: names are missing or left over, shapes differ, or values are not finite; all are listed.
    """
    slots = flatten(template)
    wanted = {naming.name(path): (collection, path) for collection, path in slots}
    missing = sorted(set(wanted) - set(state_dict))
    known = {*wanted, *naming.second_names(wanted), *naming.position_codes}
    extra = sorted(name for name in set(state_dict) - known if not re.search(naming.ignored, name))
    misshaped, loaded = [], {}
    for name in sorted(set(wanted) & set(state_dict)):
        collection, path = wanted[name]
        slot, value = slots[collection, path], np.asarray(state_dict[name])
        expected = to_torch(path, np.empty(slot.shape, bool)).shape
        if value.shape != expected:
            misshaped.append(f'{name}: expected {expected}, got {value.shape}')
        else:
            loaded.setdefault(collection, {})[path] = from_torch(value, path).astype(slot.dtype)
    if missing or extra or misshaped:
        raise ValueError(describe_mismatch(missing, extra, misshaped))
    if odd := [name for name, (part, path) in sorted(wanted.items()) if not np.isfinite(loaded[part][path]).all()]:
        raise ValueError(f'Expected finite weights, got NaN or infinity in {", ".join(odd)}; was training stable?')
    return {collection: traverse_util.unflatten_dict(tree, sep='/') for collection, tree in loaded.items()}


def describe_mismatch(missing: list[str], extra: list[str], misshaped: list[str]) -> str:
    """One message that lists both sides."""
    lines = ['The checkpoint does not fit the model; was it made with this configuration (system, vocabulary)?']
    for title, names in (
        ('the model needs, the checkpoint lacks', missing),
        ('the checkpoint holds, the model has no place for', extra),
        ('of other shapes', misshaped),
    ):
        lines += [f'Names {title}: {len(names) or "none"}', *(f'  {name}' for name in names)]
    return '\n'.join(lines)


def state_dict(variables: Mapping[str, Any], naming: Naming = CAMANET) -> dict[str, np.ndarray]:
    """Our variables under the official program's names and in its layouts, without what it holds beside them."""
    return {naming.name(path): to_torch(path, np.asarray(value)) for (_, path), value in flatten(variables).items()}
