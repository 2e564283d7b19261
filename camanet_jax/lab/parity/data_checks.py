"""The tokenizer and the evaluation transforms, compared on the files under a data root."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from PIL import Image

from camanet_jax.data.image_files import open_grey
from camanet_jax.data.schema import SPLITS, Study, read_annotation
from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.data.transforms import eval_image
from camanet_jax.lab.parity.report import Arrays, Check, Report, load_arrays
from camanet_jax.lab.parity.rules import Identical

# Both vocabularies are those of IU X-Ray's reports; the second is cleaned by the rules for MIMIC-CXR.
CLEANERS = {'iu_xray': 'iu_xray', 'mimic_cxr_on_iu_text': 'mimic_cxr'}
STUDIES = 'iu_xray'
EVAL_TRANSFORMS = ('official', 'paper')
IMAGE_SIZE, RESIZE_SIZE = 224, 256


def check_tokenizer(path: Path, where: str, report: Report, data_root: Path):
    """Vocabularies, all ids, cleaning and decoding, exactly."""
    try:
        with gzip.open(path, 'rt', encoding='utf-8') as file:
            reference = json.load(file)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise ValueError(f'cannot be read: {error}') from error
    studies = read_annotation(data_root / STUDIES)
    for name, cleaner in CLEANERS.items():
        if name not in reference:
            report.miss(f'{where}:{name}', 'missing')
            continue
        expected = Arrays(where, reference.pop(name))
        values = tokenizer_values(expected, cleaner, studies)
        checks = {key: [Check(value, Identical())] for key, value in values.items()}
        report.compare_file(f'{where}:{name}', expected, checks, ['threshold'])
    for name in reference:
        report.miss(f'{where}:{name}', 'unread: no check knows this key')


def tokenizer_values(expected: Arrays, cleaner: str, studies: list[Study]) -> dict[str, Any]:
    """This tokenizer's output for the studies and the given cases, by the names of the file."""
    tokenizer = Tokenizer.build(
        [study.report for study in studies if study.split == 'train'], cleaner=cleaner, threshold=expected['threshold']
    )
    return {
        'vocabulary': list(tokenizer.words),
        'ids': {
            split: {study.id: tokenizer.encode(study.report) for study in studies if study.split == split}
            for split in SPLITS
        },
        'cleaned_cases': [[text, tokenizer.clean(text)] for text, _ in expected['cleaned_cases']],
        'id_cases': [[text, tokenizer.encode(text)] for text, _ in expected['id_cases']],
        'decode_cases': [[ids, tokenizer.decode(ids)] for ids, _ in expected['decode_cases']],
    }


def check_transforms(path: Path, where: str, report: Report, data_root: Path):
    """Evaluation images, bit for bit; keys are 'image|transform', the image a file or an array beside."""
    arrays = load_arrays(path)
    made = [key for key in arrays if '|' not in key]
    checks = {}
    for name in dict.fromkeys(key.partition('|')[0] for key in arrays):
        try:
            image = Image.fromarray(arrays[name]) if name in made else open_grey((data_root / name).read_bytes(), name)
        except (OSError, ValueError) as error:
            report.miss(f'{where}:{name}', f'no such image in the file or under {data_root}: {error}')
            continue
        checks |= {
            f'{name}|{transform}': [Check(eval_image(image, transform, IMAGE_SIZE, RESIZE_SIZE), Identical())]
            for transform in EVAL_TRANSFORMS
        }
    report.compare_file(where, arrays, checks, made)
