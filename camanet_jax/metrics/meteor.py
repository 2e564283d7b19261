"""METEOR 1.5 (Denkowski and Lavie, 2014) by its authors' Java program, as pycocoevalcap ships it.

The program is started once per process and kept, since loading its paraphrase table takes seconds, and a study a
millisecond. It reads and writes lines: to `SCORE ||| reference ||| hypothesis` it answers 23 counts, to
`EVAL ||| counts ||| ...` a score per study, then that of the summed counts.
"""

import atexit
import contextlib
import functools
import importlib
import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float
from pycocoevalcap.meteor import meteor as pycoco_meteor

from camanet_jax.metrics.bootstrap import StudyStatistics, safe_ratio

LOG = logging.getLogger(__name__)

_JAR = Path(pycoco_meteor.__file__).with_name(pycoco_meteor.METEOR_JAR)
# UTF-8, since the JVM would otherwise follow the locale, ASCII in bare containers. The serial collector halves the
# memory; with half of the machine's memory, reports of 10,000 words can be aligned.
_JVM_OPTIONS = ('-Dfile.encoding=UTF-8', '-XX:+UseSerialGC', '-XX:MaxRAMPercentage=50')
# In the user's locale the program could write 0,5 (German), or turn I into a dotless i (Turkish).
_JVM_LOCALE = ('-Duser.language=en', '-Duser.country=US', '-Duser.language.format=en', '-Duser.country.format=US')
_SEPARATOR = ' ||| '
_COUNTS = 23
_PAIRS_KEPT = 16_384  # a test split and a few validations, some megabytes
NLTK_METEOR = 'METEOR_nltk'  # another score, so under another name
_CHUNKS = 20  # the column with the number of matched runs of words

# The program's English parameters (its task "rank").
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_MATCHER_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])  # exact, stem, synonym, paraphrase


class MeteorUnavailable(RuntimeError):
    """The Java program cannot be started here."""


class MeteorProcess:
    """A running METEOR program."""

    def __init__(self) -> None:
        if shutil.which('java') is None:
            raise MeteorUnavailable('no java on the path')
        self._known_counts = functools.lru_cache(_PAIRS_KEPT)(self._counts)
        self._lock = threading.Lock()
        self._start()
        atexit.register(self.close)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            ['java', *_JVM_OPTIONS, *_JVM_LOCALE, '-jar', str(_JAR), '-', '-', '-stdio', '-l', 'en', '-norm'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding='utf-8',
            errors='replace',  # for half a surrogate pair
            start_new_session=True,  # signals to the process group are for this process
        )
        self._ask('SCORE ||| probe ||| probe')  # on some systems `java` only asks to install it

    def counts(self, hypotheses: Sequence[str], references: Sequence[str]) -> Float[np.ndarray, 'B 23']:
        """The program's match counts of each study; recent pairs are cached."""
        rows = []
        with self._lock:
            for hypothesis, reference in zip(hypotheses, references, strict=True):
                pair = _one_field(hypothesis), _one_field(reference)
                try:
                    rows.append(self._again(lambda pair=pair: self._known_counts(*pair)))
                except MeteorUnavailable as error:
                    shared_meteor.cache_clear()
                    raise ValueError(
                        f'METEOR failed at report number {len(rows)} (from 0), '
                        f'{len(hypothesis.split())} words: {error}. Very long reports need more '
                        'memory than this machine has; shorten it or score without METEOR.'
                    ) from error
        return np.array(rows, np.float64).reshape(-1, _COUNTS)

    def scores(self, counts: Float[np.ndarray, 'B 23']) -> tuple[float, Float[np.ndarray, ' B']]:
        """The corpus score and each study's, computed by the program from its counts."""
        rows = [' '.join(map(str, row)) for row in counts.tolist()]
        with self._lock:
            lines = self._again(lambda: [self._ask(_SEPARATOR.join(('EVAL', *rows))), *(self._read() for _ in rows)])
        *per_study, corpus = map(float, lines)
        return corpus, np.array(per_study)

    def _again(self, question: Callable[[], Any]) -> Any:
        """The answer, of a new program where something has killed the old one."""
        try:
            return question()
        except MeteorUnavailable as error:
            LOG.warning('%s; starting it again', error)
            self._start()
            return question()

    def close(self) -> None:
        """Ends the program; closing twice is harmless."""
        atexit.unregister(self.close)
        self._process.kill()
        self._process.wait()

    def _counts(self, hypothesis: str, reference: str) -> tuple[float, ...]:
        return tuple(map(float, self._ask(_SEPARATOR.join(('SCORE', reference, hypothesis))).split()))

    def _ask(self, line: str) -> str:
        with contextlib.suppress(BrokenPipeError):  # `_read` reports that the program has ended
            self._process.stdin.write(line + '\n')
            self._process.stdin.flush()
        return self._read()

    def _read(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise MeteorUnavailable(f'the METEOR program ended (exit code {self._process.wait()})')
        return line


@functools.cache
def shared_meteor() -> MeteorProcess | None:
    """This process's METEOR program, or None (with one warning) where Java is missing."""
    try:
        return MeteorProcess()
    except MeteorUnavailable as reason:
        LOG.warning('METEOR is left out: %s. Install a Java runtime (8 or later).', reason)
        return None


def corpus_meteor(sums: Float[np.ndarray, '... 23']) -> Float[np.ndarray, '...']:
    """METEOR of summed `meteor_statistics` rows by the program's formula, for many resamples at once.

    The columns are the lengths of hypothesis and reference, the function words of each; for each of the four matchers
    the matched content words (hypothesis, reference) and function words (the same); the chunks; the matched words of
    hypothesis and reference.
    """
    lengths, function_words = sums[..., 0:2], sums[..., 2:4]
    matches = sums[..., 4:20].reshape(*sums.shape[:-1], 4, 2, 2)  # matcher, word kind, side
    weighted_lengths = _DELTA * (lengths - function_words) + (1 - _DELTA) * function_words
    weighted_kinds = _DELTA * matches[..., 0, :] + (1 - _DELTA) * matches[..., 1, :]
    weighted_matches = np.einsum('m,...ms->...s', _MATCHER_WEIGHTS, weighted_kinds)

    precision, recall = np.moveaxis(safe_ratio(weighted_matches, weighted_lengths), -1, 0)
    mean = safe_ratio(precision * recall, (1 - _ALPHA) * recall + _ALPHA * precision)
    fragmentation = safe_ratio(sums[..., _CHUNKS], sums[..., 21:23].mean(axis=-1))
    return mean * (1 - _GAMMA * fragmentation**_BETA)


def meteor_statistics(counts: Float[np.ndarray, 'B 23']) -> StudyStatistics:
    """Corpus METEOR, ready for the bootstrap."""
    # The program does not count the one chunk of a hypothesis that equals its reference.
    identical = (counts[:, _CHUNKS] == 1) & np.all(counts[:, 21:23] == counts[:, 0:2], axis=1)
    summands = counts.copy()
    summands[identical, _CHUNKS] = 0
    return StudyStatistics(summands, corpus_meteor)


def _one_field(text: str) -> str:
    # A separator or line end in a text would shift every later answer by a line.
    return ' '.join(text.replace('|||', ' ').split())


# --- nltk's METEOR, the substitute where Java is missing ---


def import_nltk(module: str) -> ModuleType:
    """Imports a module of nltk only when it is needed, which takes a second; it needs no home directory here."""
    homeless = os.path.expanduser('~/') == '~/'  # no HOME, and a user id without a name
    if homeless:
        os.environ['HOME'] = os.sep  # nltk asks for one, and writes nothing there
    try:
        return importlib.import_module(f'nltk.{module}')
    finally:
        if homeless:
            del os.environ['HOME']


@functools.cache
def shared_wordnet() -> Any | None:
    """nltk's WordNet, or None (with one warning) where it is not installed."""
    wordnet = import_nltk('corpus').wordnet
    try:
        wordnet.ensure_loaded()
    except LookupError:
        LOG.warning(
            "%s is left out too: nltk's WordNet is not installed (python -m nltk.downloader wordnet, or "
            'a copy of its folder under NLTK_DATA/corpora).',
            NLTK_METEOR,
        )
        return None
    LOG.warning("%s, nltk's score, stands in. It is not comparable with METEOR 1.5.", NLTK_METEOR)
    return wordnet


def nltk_meteor(hypotheses: Sequence[str], references: Sequence[str], wordnet: Any) -> Float[np.ndarray, ' B']:
    """Scores each study by nltk; the score of a set is the mean.

    This is not METEOR 1.5: it has the parameters of Lavie and Agarwal (2007), no paraphrases and no function words, and
    takes a mean over studies instead of summed counts. Its numbers are comparable only with each other. The user
    installs nltk's WordNet; nothing is downloaded here.
    """
    single_meteor_score = import_nltk('translate.meteor_score').single_meteor_score
    pairs = zip(hypotheses, references, strict=True)
    return np.array(
        [single_meteor_score(reference.split(), hypothesis.split(), wordnet=wordnet) for hypothesis, reference in pairs]
    )
