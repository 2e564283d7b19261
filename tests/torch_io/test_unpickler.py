"""Pickles that want more than to be read."""

import argparse
import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from camanet_jax.torch_io.state_dicts import read_state_dict
from camanet_jax.torch_io.torch_files import MAGIC_NUMBER, VERSION, global_name, integer, sequence, text
from camanet_jax.torch_io.unpickler import ALLOWED, Inert, Rebuild, unpickle


class Attack:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


def read(data: bytes):
    return unpickle(io.BytesIO(data))[0]


def write_zip(path, data: bytes):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/data.pkl', data)


def write_legacy(path, data: bytes, rest: bytes = pickle.dumps([])):
    header = b''.join(pickle.dumps(part, 2) for part in (MAGIC_NUMBER, VERSION, {'little_endian': True}))
    path.write_bytes(header + data + rest)


@pytest.mark.parametrize('write', [write_zip, write_legacy])
@pytest.mark.parametrize('protocol', [0, 2, 4])
def test_code_in_a_checkpoint_is_refused_by_name_and_not_run(tmp_path, write, protocol):
    write(tmp_path / 'evil.pth', pickle.dumps({'state_dict': {}, 'x': Attack(tmp_path / 'made')}, protocol))
    with pytest.raises(ValueError, match=rf'evil.pth: .*{os.name}\.system'):
        read_state_dict(tmp_path / 'evil.pth')
    assert not (tmp_path / 'made').exists()


@pytest.mark.parametrize(
    'module, name',
    [
        ('os', 'system'),
        ('builtins', 'eval'),
        ('__builtin__', 'getattr'),
        ('torch', 'load'),
        ('numpy', 'fromfile'),
        ('collections', 'OrderedDict.fromkeys'),
        ('argparse', 'Namespace.__init__'),
        ('functools', 'partial'),
    ],
)
def test_names_outside_the_list_are_refused(module, name):
    with pytest.raises(ValueError, match=name):
        read(pickle.PROTO + b'\x04' + text(module) + text(name) + pickle.STACK_GLOBAL + pickle.STOP)


@pytest.mark.parametrize(
    'target',
    [
        global_name('torch._utils', '_rebuild_tensor_v2'),
        global_name('argparse', 'Namespace'),
        global_name('collections', 'OrderedDict'),
    ],
)
def test_a_pickle_cannot_change_what_it_calls(target):
    before = {name: getattr(value, '__dict__', None) and dict(value.__dict__) for name, value in ALLOWED.items()}
    state = pickle.EMPTY_DICT + pickle.MARK + text('__call__') + integer(1) + pickle.SETITEMS
    for attributes in (state, pickle.NONE + state + pickle.TUPLE2):  # the instance's dictionary, and its slots
        with pytest.raises(ValueError):
            read(pickle.PROTO + b'\x02' + target + attributes + pickle.BUILD + pickle.STOP)
    after = {name: getattr(value, '__dict__', None) and dict(value.__dict__) for name, value in ALLOWED.items()}
    assert after == before


def test_only_harmless_things_are_on_the_list():
    containers = {list, tuple, set, frozenset, dict, int, float, bool, complex}
    for name, value in ALLOWED.items():
        plain = isinstance(value, str | Rebuild) or value in containers
        assert plain or issubclass(value, dict | Inert), name


def test_extras_are_read_as_data():
    extras = {
        'args': argparse.Namespace(lr=0.1, n=3),
        'best': np.float32(0.5),
        'n': np.int64(4),
        'array': np.arange(3),
        'set': {1},
        'complex': 1j,
        'raw': b'\xff',
    }
    for protocol in (2, 4):
        found = read(pickle.dumps(extras, protocol))
        assert type(found['args']) is ALLOWED['argparse.Namespace'] and found['args'].state == {'lr': 0.1, 'n': 3}
        assert found['best'] == np.float32(0.5) and found['best'].dtype == np.float32 and found['n'] == 4
        assert (found['set'], found['complex'], found['raw']) == ({1}, 1j, b'\xff')
        assert isinstance(found['array'], Inert)


def storage(kind: bytes, count: int, view: bytes = b'') -> bytes:
    """The opcodes of a reference to storage '0'."""
    return sequence(text('storage'), kind, text('0'), text('cpu'), integer(count), view) + pickle.BINPERSID


def tensor(rebuild: str, of: bytes, offset: int, shape: list[int], strides: list[int]) -> bytes:
    """A pickle of {'x': tensor} with PyTorch 0.3's `_rebuild_tensor` or a later one."""
    arguments = sequence(of, integer(offset), sequence(*map(integer, shape)), sequence(*map(integer, strides)))
    item = text('x') + global_name('torch._utils', rebuild) + arguments + pickle.REDUCE
    return pickle.PROTO + b'\x02' + pickle.EMPTY_DICT + pickle.MARK + item + pickle.SETITEMS + pickle.STOP


def test_a_part_of_a_storage_on_a_gpu_is_read_as_early_releases_wrote_it(tmp_path):
    part = storage(global_name('torch.cuda', 'FloatStorage'), 6, sequence(text('1'), integer(2), integer(4)))
    values = np.arange(6, dtype=np.float32)
    write_legacy(
        tmp_path / 'a.pth',
        tensor('_rebuild_tensor', part, 1, [3], [1]),
        pickle.dumps(['0'], 2) + np.array(6, '<i8').tobytes() + values.tobytes(),
    )
    assert np.array_equal(read_state_dict(tmp_path / 'a.pth')['x'], [3, 4, 5])


@pytest.mark.parametrize(
    'offset, shape, strides',
    [(0, [7], [1]), (6, [1], [1]), (0, [2, 3], [4, 1]), (-1, [2], [1]), (0, [2], [-1]), (0, [2, 2], [1])],
)
def test_a_tensor_never_reaches_beyond_its_storage(offset, shape, strides):
    whole = storage(global_name('torch', 'FloatStorage'), 6)
    with pytest.raises(ValueError, match='storage'):
        read(tensor('_rebuild_tensor', whole, offset, shape, strides))


def test_a_storage_with_too_few_bytes_is_an_error(tmp_path):
    whole = storage(global_name('torch', 'FloatStorage'), 6)
    with zipfile.ZipFile(tmp_path / 'a.pth', 'w') as archive:
        archive.writestr('archive/data.pkl', tensor('_rebuild_tensor', whole, 0, [6], [1]))
        archive.writestr('archive/data/0', bytes(20))
    with pytest.raises(ValueError, match='6 elements of float32, but has 20 bytes'):
        read_state_dict(tmp_path / 'a.pth')


def test_an_object_number_that_would_fill_the_memory_is_refused():
    with pytest.raises(ValueError, match='numbers its objects up to 2,147,483,647'):
        unpickle(io.BytesIO(pickle.PROTO + b'\2' + pickle.EMPTY_DICT + pickle.LONG_BINPUT + b'\xff\xff\xff\x7f.'))
