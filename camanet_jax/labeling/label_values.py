"""The four values of a label, and the three ways to count the uncertain one."""

import numpy as np
from jaxtyping import Int

POSITIVE, NEGATIVE, UNCERTAIN, BLANK = 1, 0, -1, -2
IGNORED = -1  # in binary labels: counts neither way
UNCERTAIN_POLICIES = ('negative', 'positive', 'ignore')


def positives(labels: Int[np.ndarray, 'B Y'], uncertain: str = 'negative') -> Int[np.ndarray, 'B Y']:
    """Binary labels: uncertain ones count as `uncertain` says, blank ones as negative.

    No Finding stays what the labeler said: an uncertain observation denies it under every policy.

    Args:
      uncertain: one of `UNCERTAIN_POLICIES`; with 'ignore' the uncertain ones become `IGNORED`.
    """
    if uncertain not in UNCERTAIN_POLICIES:
        raise ValueError(f'Expected uncertain as one of {UNCERTAIN_POLICIES}, got {uncertain!r}.')
    value = {'negative': NEGATIVE, 'positive': POSITIVE, 'ignore': IGNORED}[uncertain]
    return np.where(labels == UNCERTAIN, value, labels == POSITIVE).astype(np.int8)


def without_ignored(*sides: Int[np.ndarray, 'B Y']) -> tuple[Int[np.ndarray, 'B Y'], ...]:
    """Binary labels to compare: what one side ignores is 0 on all, where precision, recall and F1 overlook it."""
    ignored = np.any([side == IGNORED for side in sides], axis=0)
    return tuple(np.where(ignored, NEGATIVE, side) for side in sides)
