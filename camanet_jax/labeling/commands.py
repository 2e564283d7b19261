"""What `scripts/label_reports.py` does with its options."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from camanet_jax.labeling import phrase_rules
from camanet_jax.labeling.agreement import agreement_table
from camanet_jax.labeling.label_files import Labels, read_label_json
from camanet_jax.labeling.openi_index import read_openi_index
from camanet_jax.labeling.report_files import read_reports
from camanet_jax.labeling.runs import label_to_files
from camanet_jax.metrics import scorer


class Choice(NamedTuple):
    """A labeler, and what its labels depend on beside the reports."""

    labeler: scorer.Labeler
    made_by: dict[str, str]


def label_reports(
    *,
    source: Path,
    output: Path,
    labeler: str,
    weights: Path | None,
    vocabulary: Path | None,
    uncertain: str,
    splits: tuple[str, ...],
    batch_size: int,
    dtype: str,
    compare: Path | None,
) -> None:
    """Labels the reports of `source` into `output`, and prints how far the labels agree with those of `compare`."""
    reports = read_reports(source, tuple(splits))
    others = read_others(compare) if compare else None
    chosen = rules() if labeler == 'rules' else chexbert(weights, vocabulary, batch_size, dtype)
    labels = label_to_files(
        reports, chosen.labeler, output, made_by=chosen.made_by, uncertain=uncertain, batch_size=batch_size
    )
    if others is not None:
        print(agreement_table(labels, others, uncertain))


def read_others(path: Path) -> Labels:
    """Labels to compare with: a JSON label file, or Open-i's reports with their indexing."""
    return read_label_json(path) if path.suffix == '.json' else read_openi_index(path)


def rules() -> Choice:
    """The rule-based labeler."""
    return Choice(scorer.RULES, {'labeler': 'rules', 'phrases': digest(Path(phrase_rules.__file__))})


def chexbert(weights: Path, vocabulary: Path, batch_size: int, dtype: str) -> Choice:
    """CheXbert with the authors' weights."""
    from camanet_jax.labeling.chexbert_labeler import chexbert_labeler

    labeler = chexbert_labeler(weights, vocabulary, batch_size=batch_size, dtype=dtype)
    return Choice(
        labeler, {'labeler': 'chexbert', 'weights': digest(weights), 'vocabulary': digest(vocabulary), 'dtype': dtype}
    )


def digest(path: Path) -> str:
    """SHA-256 of a file, which tells files apart that have one name."""
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
