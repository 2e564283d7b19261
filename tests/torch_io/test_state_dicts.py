"""Files as PyTorch and others write them. Those in fixtures/torch_files were made by PyTorch (make.py there)."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from camanet_jax.torch_io.state_dicts import read_state_dict, write_state_dict

FIXTURES = Path(__file__).parents[1] / 'fixtures' / 'torch_files'
NUMBERS = (np.arange(24, dtype=np.float32) / 8).reshape(6, 4)
EXPECTED = {
    'matrix': NUMBERS,
    'same': NUMBERS,
    'transposed': NUMBERS.T,
    'part': NUMBERS[1:4, 1:3],
    'expanded': np.full(3, 1.5, np.float32),
    'half': NUMBERS[0].astype(np.float16),
    'brain': NUMBERS[1].astype(ml_dtypes.bfloat16),
    'double': NUMBERS[2].astype(np.float64),
    'count': np.array(7),
    'flags': np.array([True, False]),
    'empty': np.zeros((0, 3), np.float32),
    'parameter': NUMBERS[3],
}


def assert_identical(found, expected):
    """Names in order, element types, shapes and values."""
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape), name
        assert np.array_equal(found[name], value), name


@pytest.mark.parametrize('name', ['zip', 'zip_nested', 'legacy', 'legacy_nested'])
def test_files_of_pytorch_are_read(name):
    assert_identical(read_state_dict(FIXTURES / f'{name}.pth'), EXPECTED)


@pytest.mark.parametrize('suffix', ['.pth', '.pt', '.safetensors'])
def test_what_is_written_is_read_back(tmp_path, suffix):
    write_state_dict(tmp_path / f'deep/file{suffix}', EXPECTED)
    found = read_state_dict(tmp_path / f'deep/file{suffix}')
    assert_identical({name: found[name] for name in EXPECTED}, EXPECTED)
    assert os.listdir(tmp_path / 'deep') == [f'file{suffix}']


def test_a_tensor_that_safetensors_holds_under_one_of_two_names_is_read_under_both(tmp_path):
    save_file({'kept': NUMBERS}, tmp_path / 'a.safetensors', {'dropped': 'kept', 'format': 'pt'})
    assert_identical(read_state_dict(tmp_path / 'a.safetensors'), {'kept': NUMBERS, 'dropped': NUMBERS})


@pytest.mark.parametrize('name', ['zip_nested', 'legacy_nested'])
def test_a_file_cut_short_anywhere_is_an_error_that_names_it(tmp_path, name):
    whole = (FIXTURES / f'{name}.pth').read_bytes()
    path = tmp_path / 'cut.pth'
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match='cut.pth'):
            read_state_dict(path)


def test_a_cut_safetensors_file_is_an_error_that_names_it(tmp_path):
    write_state_dict(tmp_path / 'a.safetensors', EXPECTED)
    whole = (tmp_path / 'a.safetensors').read_bytes()
    (tmp_path / 'cut.safetensors').write_bytes(whole[:-5])
    with pytest.raises(ValueError, match='cut.safetensors: cut short'):
        read_state_dict(tmp_path / 'cut.safetensors')


def test_a_flipped_bit_in_a_zip_is_an_error(tmp_path):
    data = bytearray((FIXTURES / 'zip.pth').read_bytes())
    data[data.index(NUMBERS.tobytes()) + 5] ^= 1
    (tmp_path / 'flipped.pth').write_bytes(data)
    with pytest.raises(ValueError, match='missing or damaged'):
        read_state_dict(tmp_path / 'flipped.pth')


def test_other_files_are_errors_that_say_what_was_expected(tmp_path):
    with tarfile.open(tmp_path / 'old.pth', 'w') as tar:
        tar.addfile(tarfile.TarInfo('storages'), io.BytesIO())
    (tmp_path / 'text.pth').write_text('no weights')
    (tmp_path / 'empty.pth').touch()
    (tmp_path / 'page.pth').write_text('<!DOCTYPE html><html>')
    (tmp_path / 'pointer.pth').write_text('version https://git-lfs.github.com/spec/v1\n')
    (tmp_path / 'packed.pth').write_bytes(gzip.compress(b'weights'))
    expected = {
        'old': 'tar format',
        'text': "expected a file of torch.save.*begins with b'no weigh'",
        'none': 'No such file',
        'empty': 'got an empty one',
        'page': 'a web page; download',
        'pointer': 'git lfs pull',
        'packed': 'unpack it first',
    }
    for name, message in expected.items():
        with pytest.raises(ValueError, match=f'{name}.pth: .*{message}'):
            read_state_dict(tmp_path / f'{name}.pth')
    with pytest.raises(ValueError, match=r'Linear.*nothing was run.*state dict'):
        read_state_dict(FIXTURES / 'module.pth')


def test_names_that_collide_without_their_prefix_are_an_error(tmp_path):
    write_state_dict(tmp_path / 'a.pth', {'module.x': NUMBERS, 'x': NUMBERS})
    with pytest.raises(ValueError, match="differ only in 'module.'"):
        read_state_dict(tmp_path / 'a.pth')


def test_writing_to_an_unknown_kind_of_file_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match='ends in .safetensors, .pth, .pt'):
        write_state_dict(tmp_path / 'weights.bin', EXPECTED)
    with pytest.raises(ValueError, match='element type'):
        write_state_dict(tmp_path / 'weights.pth', {'x': np.zeros(2, 'U3')})
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize('prefix', ['module.', '_orig_mod.', 'module._orig_mod.', 'model.'])
def test_the_prefixes_of_wrappers_are_left_out(tmp_path, prefix):
    write_state_dict(tmp_path / 'a.pth', {f'{prefix}x': NUMBERS, f'{prefix}model.y': NUMBERS})
    assert list(read_state_dict(tmp_path / 'a.pth')) == ['x', 'model.y']
