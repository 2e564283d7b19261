"""Packaging of camanet_jax."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name='camanet_jax',
    version='0.1.0',
    description='CAMANet (class activation map guided attention for radiology report generation) in JAX and Flax',
    long_description=Path(__file__).with_name('README.md').read_text(encoding='utf8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    package_data={
        'camanet_jax.generate': ['reference_model/*', 'reference_model/reference/*'],
        'camanet_jax.preparation': ['*.json'],
        'camanet_jax.reporting': ['*.json', 'web/*'],
    },
    python_requires='>=3.11,<3.15',
    # A wheel carries the recipes as camanet_jax/recipes, since `configs` is nobody's to install globally.
    packages=[*find_packages(include=['camanet_jax', 'camanet_jax.*']), 'camanet_jax.recipes'],
    package_dir={'camanet_jax.recipes': 'configs'},
    install_requires=[
        'absl-py>=2.1',
        'array_record>=0.8,<0.9',
        'einops>=0.8,<0.9',
        'flax>=0.12,<0.13',
        'grain>=0.2.18,<0.3',
        'importlib_resources>=6.0',  # tensorflow-datasets imports it without asking for it
        'jax>=0.10,<0.13',
        'jaxtyping>=0.3',
        'matplotlib>=3.9',
        'ml_collections>=1.1,<2',
        'ml_dtypes>=0.5',
        'nltk>=3.10',
        'numpy>=2.0',
        'optax>=0.2.8,<0.3',
        'orbax-checkpoint>=0.12,<0.13',
        'pillow>=12.3',
        'pycocoevalcap>=1.2,<2',
        'pydicom>=3.0.2,<4',
        'safetensors>=0.8',
        'tensorboardX>=2.6',
        'tensorflow-datasets>=4.9.9,<5',
        'tqdm>=4.66',
    ],
    extras_require={
        'beam': ['apache-beam>=2.60,<3'],
        'browser': ['axe-playwright-python>=0.1.8', 'playwright>=1.49'],
        'chexbert': ['tokenizers>=0.20'],
        'cuda12': ['jax[cuda12]'],
        'cuda13': ['jax[cuda13]'],
        'dicom': ['python-gdcm>=3.2.2; platform_machine in "x86_64 AMD64 arm64"'],  # compressed films
        'hub': ['huggingface_hub>=0.30'],  # for hf://owner/name
        'torch': ['torch>=2.6', 'torchvision>=0.21'],  # for benchmark.py train --compare=torchvision alone
        'tpu': ['jax[tpu]'],
        'test': ['camanet_jax[chexbert,dicom]', 'beartype>=0.20', 'pytest>=8', 'pytest-xdist>=3.6', 'ruff>=0.12'],
    },
)
