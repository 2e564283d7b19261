"""What `torch.load(weights_only=True)` relies on in the files that we write."""

import pickletools
import zipfile

import numpy as np
import pytest

from camanet_jax.torch_io.torch_files import read_zip, write_zip

# What PyTorch's safe reader knows and a state dict needs.
OPCODES = {
    'PROTO',
    'GLOBAL',
    'EMPTY_TUPLE',
    'REDUCE',
    'MARK',
    'BINUNICODE',
    'BININT',
    'TUPLE',
    'BINPERSID',
    'NEWFALSE',
    'SETITEMS',
    'STOP',
}
GLOBALS = {'collections OrderedDict', 'torch._utils _rebuild_tensor_v2', 'torch FloatStorage', 'torch LongStorage'}


def written(tmp_path, arrays):
    write_zip(tmp_path / 'a.pth', arrays)
    with zipfile.ZipFile(tmp_path / 'a.pth') as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_pickle_names_only_what_the_safe_reader_knows(tmp_path):
    data = written(tmp_path, {'x': np.ones((2, 3), np.float32), 'n': np.array(3)})['archive/data.pkl']
    operations = [(opcode.name, argument) for opcode, argument, _ in pickletools.genops(data)]
    assert {name for name, _ in operations} == OPCODES
    assert {argument for name, argument in operations if name == 'GLOBAL'} == GLOBALS


def test_one_array_under_two_names_is_stored_once_and_laid_out_in_order(tmp_path):
    shared = np.arange(6, dtype=np.float32).reshape(2, 3).T
    records = written(tmp_path, {'norm': shared, 'fore_norm': shared, 'other': shared.copy()})
    assert [name for name in records if '/data/' in name] == ['archive/data/0', 'archive/data/1']
    assert records['archive/data/0'] == np.array([0, 3, 1, 4, 2, 5], np.float32).tobytes()


def test_the_same_weights_make_the_same_file(tmp_path):
    for name in 'ab':
        write_zip(tmp_path / name, {'x': np.ones(2, np.float32)})
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


def test_archives_made_to_fill_the_memory_and_of_no_known_version_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / 'bomb.pth', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data.pkl', bytes(10**6))
    with pytest.raises(ValueError, match='would unpack to 1,000,000 bytes'):
        read_zip(tmp_path / 'bomb.pth')
    write_zip(tmp_path / 'new.pth', {'x': np.ones(2, np.float32)})
    content = bytearray((tmp_path / 'new.pth').read_bytes())
    content[content.index(b'PK\x01\x02') + 6] = 255
    (tmp_path / 'new.pth').write_bytes(content)
    with pytest.raises(ValueError, match='damaged .zip file version 25.5'):
        read_zip(tmp_path / 'new.pth')
