"""Fixtures for the whole test suite."""

import os
from pathlib import Path
from typing import Any

# Set before JAX starts; programs that tests start inherit it. CAMANET_TEST_DEVICE=cuda (or tpu) runs the tests there.
DEVICE = os.environ.get('CAMANET_TEST_DEVICE', 'cpu')
if DEVICE == 'cpu':
    SURROUNDINGS = {
        'JAX_PLATFORMS': 'cpu',
        'XLA_FLAGS': '--xla_backend_optimization_level=0',  # compiling is most of the time of tiny tests
    }
else:
    SURROUNDINGS = {
        'JAX_PLATFORMS': f'{DEVICE},cpu',
        'JAX_DEFAULT_MATMUL_PRECISION': 'highest',  # tests compare with exact products
        'XLA_PYTHON_CLIENT_PREALLOCATE': 'false',  # tests start other programs on the same device
    }
for name, value in SURROUNDINGS.items():
    os.environ.setdefault(name, value)

import jax
import jaxtyping

# Before anything of the package is imported.
jaxtyping.install_import_hook('camanet_jax', 'shape_checks.checked')

import pytest
import tiny
from front_door import TINY, succeed

from camanet_jax.configuration import fill_variant


@pytest.fixture(scope='session')
def shared_dir() -> Path:
    """The folder with the real data and the reference values, which are not in the repository."""
    path = os.environ.get('CAMANET_SHARED')
    if not path or not Path(path).is_dir():
        pytest.skip('set CAMANET_SHARED to the folder with data/ and reference/ to run this test')
    return Path(path)


@pytest.fixture
def without_shape_checks():
    """For tests of what the package itself says about wrong shapes."""
    jaxtyping.config.update('jaxtyping_disable', True)
    yield
    jaxtyping.config.update('jaxtyping_disable', False)


@pytest.fixture
def double():
    """Runs the test in double precision."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope='session', autouse=True)
def compile_cache(tmp_path_factory) -> Path:
    """One cache of compiled functions for this process and for all that tests start; by the variable, a lasting one."""
    folder = Path(os.environ.get('JAX_COMPILATION_CACHE_DIR') or tmp_path_factory.mktemp('compile_cache'))
    jax.config.update('jax_compilation_cache_dir', str(folder))
    return folder


@pytest.fixture(scope='session')
def tiny_arguments(tmp_path_factory, compile_cache) -> list[str]:
    """The command's arguments for the tiny run, all but --workdir; its data are made once, below an odd path."""
    data_dir = tmp_path_factory.mktemp('données: a b')
    return [f'--config={TINY}', f'--config.data_dir={data_dir}', f'--config.compile_cache={compile_cache}']


@pytest.fixture
def make_config(tiny_arguments):
    """Makes the tiny configuration, resolved, with changes such as {'model.vtac': False}."""
    settings = dict(argument.removeprefix('--config.').split('=') for argument in tiny_arguments[1:])

    def make(changes: dict[str, Any] | None = None):
        config = tiny.get_config()
        config.update_from_flattened_dict(settings | (changes or {}))
        return fill_variant(config)

    return make


@pytest.fixture(scope='session')
def trained(tmp_path_factory, tiny_arguments) -> Path:
    """The workdir of a finished, unbroken tiny run. Tests read it; those that write take a copy.

    It lies at an odd path, and its data were prepared and the run trained without the folder that TMPDIR names.
    """
    workdir = tmp_path_factory.mktemp('runs') / 'unbroken: é 1'
    output = succeed(f'--workdir={workdir}', *tiny_arguments, environment={'TMPDIR': str(workdir / 'none')})
    (workdir.parent / 'unbroken.log').write_text(output)
    return workdir
