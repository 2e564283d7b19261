"""What is scored: a prediction is a dict `{"id", "report", "reference_full"}`, a line of a predictions file."""

from collections.abc import Mapping, Sequence

_FAULTS_SHOWN = 10


def check_predictions(predictions: Sequence[Mapping[str, str]]) -> None:
    """Raise one ValueError that names everything wrong with the rows of a predictions file."""
    if not predictions:
        raise ValueError('Expected at least one prediction, got none.')
    faults, seen = [], set()
    for number, row in enumerate(predictions):
        study_id = row.get('id')
        if not isinstance(study_id, str) or not study_id:
            faults.append(f'row {number} has no id')
        elif study_id in seen:
            faults.append(f'row {number} repeats id {study_id}')
        seen.add(study_id)
        if not isinstance(row.get('report'), str):
            faults.append(f'row {number} ({study_id}) has no report text (an empty one is "")')
        reference = row.get('reference_full')
        if not isinstance(reference, str) or not reference.strip():
            faults.append(f'row {number} ({study_id}) has no reference_full')
    if faults:
        raise ValueError(f'Expected rows of id (each once), report and reference_full; got {shown(faults)}.')


def in_order(predictions: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The rows by id, since the bootstrap's draws go by place: the order of a file must not change an interval."""
    return sorted(predictions, key=lambda row: row['id'])


def shown(items: Sequence[str]) -> str:
    """The first ten of a list, and how many more there are."""
    more = f' and {len(items) - _FAULTS_SHOWN} more' if len(items) > _FAULTS_SHOWN else ''
    return '; '.join(items[:_FAULTS_SHOWN]) + more
