"""The words of a checkpoint, which holds none: counted in the annotation of its training, or listed in a file."""

from pathlib import Path

from ml_collections import ConfigDict

from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.run.files import read_json, read_text


def read_tokenizer(config: ConfigDict, rows: int, annotation: Path | None, vocabulary: Path | None) -> Tokenizer:
    """The vocabulary of a checkpoint whose embedding has so many `rows`, one more than there are words.

    Args:
      config: its cleaner and threshold count the words; its data folder is the place of the default annotation.
      annotation: an annotation.json, whose train split is counted.
      vocabulary: a list of words instead (`read_vocabulary`).

    Raises:
      ValueError: it is of another size.
    """
    if annotation and vocabulary:
        raise ValueError('Expected --annotation or --vocabulary, got both.')
    if vocabulary:
        tokenizer, origin = read_vocabulary(vocabulary, config.data.cleaner), str(vocabulary)
    else:
        annotation = annotation or Path(config.data_dir) / 'annotation.json'
        rules = dict(cleaner=config.data.cleaner, threshold=config.data.threshold)
        tokenizer, origin = Tokenizer.build(train_reports(annotation), **rules), f'{annotation}, train split, {rules}'
    if len(tokenizer) != rows - 1:
        raise ValueError(
            f'Expected a vocabulary of {rows - 1} words, since the checkpoint has {rows} rows, got '
            f'{len(tokenizer)} from {origin}. Give the annotation that the model was trained on with '
            '--annotation, or its words with --vocabulary.'
        )
    return tokenizer


def train_reports(annotation: Path) -> list[str]:
    """The reports of an annotation's train split."""
    content = read_json(annotation)
    entries = content.get('train') if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and 'report' in entry for entry in entries):
        raise ValueError(f'{annotation}: expected {{"train": [{{"report": ...}}, ...]}}, got something else.')
    return [str(entry['report']) for entry in entries]


def read_vocabulary(file: Path, cleaner: str) -> Tokenizer:
    """Words in the order of their ids, from id 1 on.

    Args:
      file: vocabulary.json of a workdir, a JSON list, or a text file (.txt) with a word on each line.
      cleaner: of the reports, where the file names none.
    """
    content = read_text(file).split() if file.suffix == '.txt' else read_json(file)
    if isinstance(content, dict):
        content, cleaner = content.get('words'), content.get('cleaner', cleaner)
    if not isinstance(content, list) or not all(isinstance(word, str) for word in content):
        raise ValueError(
            f'{file}: expected a list of words, or an object with "words" and "cleaner", got {str(content)[:60]}'
        )
    if len(set(content)) < len(content):
        raise ValueError(f'{file}: expected every word once, got {len(content) - len(set(content))} repeated.')
    return Tokenizer(tuple(content), cleaner)
