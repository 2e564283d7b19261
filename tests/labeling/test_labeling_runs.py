import json

import numpy as np
import pytest

from camanet_jax.labeling.label_files import read_label_csv, read_label_json
from camanet_jax.labeling.runs import label_to_files
from camanet_jax.metrics.scorer import Labeler

REPORTS = {f's{number}': 'word ' * number for number in range(1, 8)}
MADE_BY = {'labeler': 'lengths'}


class Lengths:
    """Labels the first observation by the length of a report; stops when it has labelled `limit` reports."""

    def __init__(self, limit=100):
        self.limit, self.seen = limit, []

    def __call__(self, texts):
        if len(self.seen) >= self.limit:
            raise KeyboardInterrupt
        self.seen += texts
        labels = np.full((len(texts), 14), -2, np.int8)
        labels[:, 0] = [(1, 0, -1)[len(text.split()) % 3] for text in texts]
        return labels


def run(output, lengths, reports=REPORTS, made_by=MADE_BY, uncertain='positive'):
    return label_to_files(
        reports, Labeler('lengths', lengths), output, made_by=made_by, uncertain=uncertain, batch_size=2
    )


def test_files_in_the_order_of_the_reports(tmp_path):
    labels = run(tmp_path, Lengths())
    assert list(labels) == list(REPORTS)
    assert [row[0] for row in labels.values()] == [0, -1, 1, 0, -1, 1, 0]
    assert read_label_csv(tmp_path / 'chexbert.csv') == labels
    assert [row[0] for row in read_label_json(tmp_path / 'labels.json').values()] == [0, 1, 1, 0, 1, 1, 0]


def test_goes_on_after_a_kill_in_the_middle_of_a_line(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Lengths(4))
    assert not (tmp_path / 'labels.json').exists()
    with (tmp_path / 'labels.jsonl').open('a') as file:
        file.write('{"id": "s1", "lab')
    second = Lengths()
    resumed = run(tmp_path, second)
    assert len(second.seen) == 3
    assert resumed == run(tmp_path / 'whole', Lengths())


def test_a_finished_run_only_writes_anew(tmp_path):
    run(tmp_path, Lengths())
    again = Lengths()
    run(tmp_path, again, uncertain='ignore')
    assert not again.seen
    assert [row[0] for row in read_label_json(tmp_path / 'labels.json').values()] == [0, -1, 1, 0, -1, 1, 0]


def test_a_changed_report_is_labelled_again(tmp_path):
    run(tmp_path, Lengths())
    again = Lengths()
    labels = run(tmp_path, again, REPORTS | {'s2': 'one two three'})
    assert again.seen == ['one two three'] and labels['s2'][0] == 1


def test_refuses_to_mix_labelers_or_replace_foreign_labels(tmp_path):
    run(tmp_path, Lengths())
    with pytest.raises(ValueError, match='Choose another output folder'):
        run(tmp_path, Lengths(), made_by={'labeler': 'other'})
    (tmp_path / 'foreign').mkdir()
    (tmp_path / 'foreign/labels.json').write_text(json.dumps({}))
    with pytest.raises(ValueError, match='was not made here'):
        run(tmp_path / 'foreign', Lengths())
