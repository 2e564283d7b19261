"""An unpickler that runs no code of the file's choosing.

A pickle is a program that may import and call anything. This one reaches only the names listed here: constructors of
plain containers, descriptions of tensors, and `Inert` records, which keep what they were given and do nothing. Any
other name is an error that says which.
"""

import pickle
import pickletools
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np

from camanet_jax.torch_io.tensors import DTYPES, STORAGE_DTYPES, Storage, is_count, tensor_view


class Rebuild:
    """A function that a pickle may call. Unlike a plain function it has nothing that a pickle could change."""

    __slots__ = ('_function',)

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise ValueError('the pickle tries to change a function')


class PlainDict(dict):
    """A dictionary in place of every kind of dictionary; attributes set on it are dropped."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        del state


class Inert:
    """An object read as data: the arguments and the state it was pickled with."""

    __slots__ = ('args', 'state')

    def __new__(cls, *args: Any):
        record = super().__new__(cls)
        record.args, record.state = args, None
        return record

    def __init__(self, *args: Any):
        del args

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __repr__(self) -> str:
        return f'{type(self).__name__}{self.args}, state {self.state!r}'


def numpy_scalar(dtype: Any, raw: bytes | str) -> Any:
    """A NumPy number from its bytes; an inert record for other kinds."""
    order = dtype.state[1] if dtype.state else '='
    kind = dtype.args[0]
    if not isinstance(kind, str) or kind[0] not in 'biufc':
        return Inert(kind, raw)
    raw = raw.encode('latin1') if isinstance(raw, str) else raw  # Python 2 wrote bytes as text
    return np.frombuffer(raw, np.dtype(kind).newbyteorder(order.replace('|', '=')), 1)[0]


def latin1_bytes(text: str, encoding: str = 'latin1') -> bytes:
    """Bytes, which pickles of protocol 2 write as latin1 text."""
    if encoding != 'latin1':
        raise ValueError(f'expected bytes written as latin1 text, got {encoding!r}')
    return text.encode('latin1')


INERT = (
    *('argparse.Namespace', 'types.SimpleNamespace', 'datetime.datetime', 'datetime.date', 'datetime.timedelta'),
    *('pathlib.PosixPath', 'pathlib.WindowsPath', 'pathlib.PurePosixPath', 'pathlib._local.PosixPath'),
    *('torch.device', 'numpy.dtype', 'numpy.ndarray'),
    *('numpy.core.multiarray._reconstruct', 'numpy._core.multiarray._reconstruct'),
)
ALLOWED: dict[str, Any] = {
    **{name: type(name, (Inert,), {'__slots__': ()}) for name in INERT},
    **{f'{module}.{name}': dtype for name, dtype in STORAGE_DTYPES.items() for module in ('torch', 'torch.cuda')},
    **{f'torch.{name}': name for name in DTYPES},
    'torch.storage.UntypedStorage': 'uint8',
    'torch.Size': tuple,
    'torch._utils._rebuild_tensor': Rebuild(tensor_view),
    'torch._utils._rebuild_tensor_v2': Rebuild(lambda *args: tensor_view(*args[:4])),
    # Storage, offset, shape, strides, requires_grad, hooks, and dtype, as this storage is untyped.
    'torch._utils._rebuild_tensor_v3': Rebuild(lambda *args: tensor_view(*args[:4], args[6])),
    'torch._utils._rebuild_parameter': Rebuild(lambda data, *_: data),
    'torch._utils._rebuild_parameter_with_state': Rebuild(lambda data, *_: data),
    'numpy.core.multiarray.scalar': Rebuild(numpy_scalar),
    'numpy._core.multiarray.scalar': Rebuild(numpy_scalar),
    '_codecs.encode': Rebuild(latin1_bytes),
    'collections.OrderedDict': PlainDict,
    'collections.Counter': PlainDict,
    'collections.defaultdict': Rebuild(lambda *_: PlainDict()),
    'collections.deque': Rebuild(lambda items=(), *_: list(items)),
    **{f'builtins.{kind.__name__}': kind for kind in (list, tuple, set, frozenset, dict, int, float, bool, complex)},
}


class RestrictedUnpickler(pickle.Unpickler):
    """Reads one pickle; `storages` gathers the element type of every storage that it mentions."""

    def __init__(self, file: BinaryIO):
        super().__init__(file, encoding='latin1')
        self.storages: dict[str, str] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Returns the substitute for a name in the file."""
        module = 'builtins' if module == '__builtin__' else module  # as Python 2 and protocol 2 call it
        full_name = f'{module}.{name}'
        if full_name not in ALLOWED:
            raise ValueError(
                f'the pickle asks for {full_name}, which is not among the names that can be read safely; '
                'nothing was run. Save only the state dict: torch.save(model.state_dict(), ...)'
            )
        return ALLOWED[full_name]

    def persistent_load(self, pid: Sequence[Any]) -> Storage:
        """Returns the storage named by ('storage', type, key, device, elements[, view of it])."""
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != 'storage' or pid[1] not in DTYPES:
            raise ValueError(
                f'expected a reference to a tensor storage, got {pid!r}. If the file holds a whole '
                'module, save only its state dict'
            )
        _, dtype, key, _, count, *view = pid
        first = 0
        if view and view[0] is not None:  # stream format: part of a storage
            _, first, count = view[0]
        if not (is_count(first) and is_count(count)):
            raise ValueError(f'expected a storage of some elements, got {pid!r}')
        self.storages.setdefault(str(key), dtype)
        return Storage(str(key), dtype, first, count)


def unpickle(file: BinaryIO) -> tuple[Any, dict[str, str]]:
    """Reads the next pickle in `file`, and the element types of the storages it mentions.

    Raises:
      ValueError: the pickle is damaged, or asks for something that cannot be read safely.
    """
    unpickler, start = RestrictedUnpickler(file), file.tell()
    try:
        for opcode, argument, position in pickletools.genops(file):
            # Python makes room for as many objects as the highest number given to one.
            if opcode.name in ('PUT', 'BINPUT', 'LONG_BINPUT') and argument > position:
                raise ValueError(f'a pickle in it is damaged: it numbers its objects up to {argument:,}')
        file.seek(start)
        return unpickler.load(), unpickler.storages
    except ValueError:
        raise
    except Exception as error:  # damaged pickles can raise anything
        raise ValueError(f'a pickle in it is cut short or damaged ({type(error).__name__}: {error})') from error
