"""The cleaner, vocabulary and length with which texts are compared: a run's own, or those published for a data set."""

from pathlib import Path
from typing import Any, NamedTuple

from camanet_jax import configuration, extensions
from camanet_jax.data.tokenizer import UNKNOWN, Tokenizer
from camanet_jax.run.files import read_json, read_text
from camanet_jax.scoring.report_rows import DataFolder


class Recipe(NamedTuple):
    """The published settings of a data set."""

    threshold: int  # occurrences in train from which a word is in the vocabulary
    max_seq_length: int  # ids per report


RECIPES = {'iu_xray': Recipe(3, 60), 'mimic_cxr': Recipe(10, 100)}


class TextRules(NamedTuple):
    """The rules that turn a report into a compared string."""

    tokenizer: Tokenizer  # cleaner and train vocabulary; without data, no words but <unk>
    max_seq_length: int  # of `cut`, in ids
    facts: dict[str, Any]  # recorded with the scores


def run_folder(predictions: Path) -> Path | None:
    """The workdir that a predictions file belongs to, or None."""
    folder = predictions.absolute().parents[1]
    is_run = predictions.absolute().parent.name == 'predictions' and (folder / 'config.json').is_file()
    return folder if is_run and (folder / 'vocabulary.json').is_file() else None


def choose_rules(
    protocol: str,
    run: Path | None,
    folder: DataFolder | None,
    *,
    cleaner: str | None = None,
    threshold: int | None = None,
    max_seq_length: int | None = None,
) -> TextRules:
    """Takes the given rules, else the run's, else the published recipe of the data set.

    Raises:
      ValueError: the protocol needs a vocabulary, and there is none.
    """
    if run and (cleaner, threshold, max_seq_length) == (None, None, None):
        return _rules_of_run(run)
    if cleaner is None:
        cleaner = 'mimic_cxr' if folder and folder.is_mimic_cxr() else 'iu_xray'
    recipe = RECIPES[cleaner]
    threshold = recipe.threshold if threshold is None else threshold
    max_seq_length = recipe.max_seq_length if max_seq_length is None else max_seq_length
    if folder is None and protocol == 'cut':
        raise ValueError(
            'The protocol cut needs the train vocabulary. Give --data DIR with annotation.json, or score '
            'a predictions file where its run wrote it, or choose --protocol=full.'
        )
    if folder is None:
        return TextRules(Tokenizer((UNKNOWN,), cleaner), max_seq_length, {'cleaner': cleaner})
    tokenizer = Tokenizer.build(folder.texts('train'), cleaner=cleaner, threshold=threshold)
    return _rules(tokenizer, threshold, max_seq_length)


def _rules_of_run(run: Path) -> TextRules:
    try:
        data = configuration.completed(read_json(run / 'config.json'))['data']
        make = extensions.find('data.tokenizer', data['tokenizer']).from_json
        tokenizer = make(read_text(run / 'vocabulary.json'))
        return _rules(tokenizer, data['threshold'], data['max_seq_length'])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{run}: vocabulary.json or config.json is damaged ({error})') from error


def _rules(tokenizer: Tokenizer, threshold: int, max_seq_length: int) -> TextRules:
    facts = {'cleaner': tokenizer.cleaner, 'threshold': threshold, 'vocabulary': len(tokenizer)}
    return TextRules(tokenizer, max_seq_length, facts | {'max_seq_length': max_seq_length})
