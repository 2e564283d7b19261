"""How many generated reports are train reports word for word: what a system that retrieves reaches without looking."""

from collections.abc import Iterable, Sequence

from camanet_jax.data.tokenizer import Tokenizer
from camanet_jax.metrics.protocol import PROTOCOLS, compared_strings

TrainTexts = dict[str, frozenset[str]]  # protocol -> the distinct compared strings of the train reports


def train_texts(
    reports: Iterable[str], tokenizer: Tokenizer, max_seq_length: int, protocols: Sequence[str] = PROTOCOLS
) -> TrainTexts:
    """The train split as `copied_share` looks texts up."""
    distinct = set(reports)  # data sets with one row per image repeat a report
    return {name: frozenset(compared_strings(name, distinct, tokenizer, max_seq_length)) for name in protocols}


def copied_share(
    reports: Sequence[str], train: TrainTexts, tokenizer: Tokenizer, max_seq_length: int
) -> dict[str, float]:
    """By protocol: the share of reports whose compared string is that of a train report.

    A system that knows the train vocabulary only, and is cut as it was trained, can copy a report with rare words or
    a long one under `cut` alone.
    """
    shares = {}
    for protocol, known in train.items():
        compared = compared_strings(protocol, reports, tokenizer, max_seq_length)
        shares[protocol] = sum(text in known for text in compared) / len(compared)
    return shares
