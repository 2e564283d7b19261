"""Mutated films, weights, JSON and CSV end in the project's own named errors: no traceback, no hang, at most 2 GB.

python tests/test_fuzz.py 10000 1: so many mutated files, with that seed.
"""

import argparse
import collections
import faulthandler
import io
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_files import dicom_bytes
from films import encode, smooth_film
from front_door import ROOT
from PIL import Image
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit
from safetensors.numpy import save

from camanet_jax.data import film_decoder
from camanet_jax.data.image_files import open_grey
from camanet_jax.data.schema import read_annotation
from camanet_jax.generate.study_list import list_studies
from camanet_jax.labeling.label_files import read_label_json
from camanet_jax.preparation.own_folder import read_rows
from camanet_jax.run.files import as_json_lines
from camanet_jax.run.runtime import errors_for_people
from camanet_jax.scoring import report_rows
from camanet_jax.torch_io.state_dicts import read_state_dict

SECONDS = 20  # for a file
MOST_MEMORY = 2  # GiB, of this process and of each that decodes
TORCH_FILES = ROOT / 'tests/fixtures/torch_files'
EXTREMES = (b'\xff' * 4, b'\x7f\xff\xff\xff', b'\xff\xff\xff\x7f', bytes(4), b'\x80\0\0\0', b'99999999', b'-1')


def tiff(mode: str, **options) -> bytes:
    """A TIFF of noise."""
    file = io.BytesIO()
    values = np.random.default_rng(0).integers(0, 4096, (40, 36))
    image = Image.fromarray(values.astype(np.uint16) if mode == 'I;16' else (values >> 4).astype(np.uint8))
    (image if mode == 'I;16' else image.convert(mode)).save(file, 'TIFF', **options)
    return file.getvalue()


def safetensors(**offsets: tuple[int, int]) -> bytes:
    """A file of two arrays of three numbers, whose header says where they lie."""
    arrays = {name: {'dtype': 'F32', 'shape': [3], 'data_offsets': place} for name, place in offsets.items()}
    header = json.dumps(arrays).encode()
    return len(header).to_bytes(8, 'little') + header + bytes(24)


def seeds(folder: Path) -> list[tuple[str, bytes, Callable[[bytes], object]]]:
    """Returns names, whole files, and what reads them."""
    film = smooth_film(48, 40)
    grey = Image.open(io.BytesIO(film))
    values = np.asarray(grey)
    jpeg, jpeg_2000 = (encode(values, suffix) for suffix in ('JPEG', 'JPEG2000'))
    films = {
        'a.png': film,
        'deep.png': encode(values.astype(np.uint16) * 16, 'PNG'),
        'colour.png': encode(np.stack([values] * 4, -1), 'PNG'),
        'a.jpg': jpeg,
        'plain.tif': tiff('L'),
        'deflated.tif': tiff('L', compression='tiff_deflate'),
        'colour.tif': tiff('RGB', compression='tiff_lzw'),
        'deep.tif': tiff('I;16'),
        'plain.dcm': dicom_bytes(values.astype(np.uint16) * 16, BitsStored=12, HighBit=11),
        'jpeg.dcm': dicom_bytes(values, JPEGBaseline8Bit, jpeg),
        'jpeg2000.dcm': dicom_bytes(values, JPEG2000Lossless, jpeg_2000),
    }
    weights = {path.name: path.read_bytes() for path in (TORCH_FILES / 'zip.pth', TORCH_FILES / 'legacy.pth')}
    weights['a.safetensors'] = save({'x': np.ones((2, 3), np.float32), 'y': np.arange(4)})
    weights['overlapping.safetensors'] = safetensors(x=(0, 12), y=(4, 16))
    weights['oversized.safetensors'] = safetensors(x=(0, 12), y=(12, 2**60))
    entries = [{'id': f's{n}', 'report': 'Lungs are clear.', 'image_path': [f'{n}.png']} for n in range(3)]
    annotation = json.dumps({'train': entries[:1], 'val': entries[1:2], 'test': entries[2:]})
    labels = json.dumps({f's{n}': [0, 1, -1, *[0] * 11] for n in range(3)})
    listed = 'id,image_path\n' + ''.join(f's{n},{n}.png\n' for n in range(3))
    reports = 'id,report\n' + ''.join(f's{n},"Clear, as before."\n' for n in range(3))
    own = 'id,split,report,image_path\n' + ''.join(f's{n},train,Clear.,{n}.png\n' for n in range(3))
    predictions = as_json_lines({'id': f's{n}', 'report': 'clear .', 'reference': 'clear .'} for n in range(3))
    texts = {
        'annotation.json': (annotation, lambda path: read_annotation(path.parent)),
        'labels.json': (labels, read_label_json),
        'films.csv': (listed, lambda path: list_studies([path], 1)),
        'reports.csv': (reports, report_rows.read_rows),
        'predictions.jsonl': (predictions, report_rows.read_rows),
        'own.csv': (own, lambda path: read_rows(path.parent, path)),
    }
    for number in range(3):
        (folder / f'{number}.png').write_bytes(film)

    def from_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
        def read_content(content: bytes) -> object:
            (folder / name).write_bytes(content)
            try:
                return read(folder / name)
            finally:
                (folder / name).unlink()

        return read_content

    cases = [(name, content, lambda content, name=name: open_grey(content, name)) for name, content in films.items()]
    cases += [(name, content, from_file(name, read_state_dict)) for name, content in weights.items()]
    return cases + [(name, text.encode(), from_file(name, read)) for name, (text, read) in texts.items()]


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Changes a few places of a file: bytes, lengths, parts left out, repeated or put in."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        start = chance.randrange(len(data)) if chance.random() < 0.6 else chance.randrange(min(len(data), 200))
        part = slice(start, start + chance.choice((1, 4, 30)))
        way = chance.randrange(7)
        if way == 0:
            data[start] ^= 1 << chance.randrange(8)
        elif way == 1:
            data[start] = chance.randrange(256)
        elif way == 2:
            extreme = chance.choice(EXTREMES)
            data[start : start + len(extreme)] = extreme
        elif way == 3:
            data[part] = b''
        elif way == 4:
            data[start:start] = data[part] * chance.choice((1, 3, 100))
        elif way == 5:
            data[start:start] = chance.randbytes(chance.choice((1, 4, 30)))
        else:
            del data[max(start, 1) :]
        data = data or bytearray(b'\0')
    return bytes(data)


def run(count: int, seed: int) -> int:
    """Reads so many mutated files; returns how many did not end as they should."""
    chance, faults, read = random.Random(seed), 0, collections.Counter()
    film_decoder.SECONDS = SECONDS / 2
    with tempfile.TemporaryDirectory() as folder:
        cases = seeds(Path(folder))
        for number in range(count):
            name, content, reader = cases[number % len(cases)]
            if number >= len(cases):
                content = mutated(content, chance)
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            try:
                with errors_for_people():
                    reader(content)
                read[name] += 1
            except SystemExit as end:
                if not str(end.code).startswith('Error: '):
                    raise
            except Exception as error:
                faults += 1
                kept = Path(tempfile.gettempdir()) / f'fuzz_{seed}_{number}_{name}'
                kept.write_bytes(content)
                print(f'{kept}: {type(error).__name__}: {error}')
            faulthandler.cancel_dump_traceback_later()
    while not film_decoder._idle.empty():
        film_decoder._idle.get()  # ends it, so that its memory is counted
    # Not ru_maxrss, which begins with what the process held that started this one.
    own = int(re.search(r'VmHWM:\s+(\d+)', Path('/proc/self/status').read_text(encoding='utf-8'))[1]) / 2**20
    others = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f'{count} files, {read.total()} read, {faults} faults; at most {own:.2f} GiB, in decoders {others:.2f} GiB')
    return faults + (max(own, others) > MOST_MEMORY)


@pytest.mark.parametrize('count', [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_files_end_in_named_errors(count):
    done = subprocess.run(
        [sys.executable, __file__, str(count), '0'], cwd=ROOT, capture_output=True, text=True, timeout=3000, check=False
    )
    assert done.returncode == 0 and ' 0 faults' in done.stdout, done.stdout + done.stderr


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('count', type=int)
    parser.add_argument('seed', type=int)
    sys.exit(min(run(**vars(parser.parse_args())), 1))
