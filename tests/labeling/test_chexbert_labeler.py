import numpy as np
from numpy_bert import chexbert
from tiny_chexbert import WORDS

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.labeling.chexbert_labeler import chexbert_labeler
from camanet_jax.labeling.label_files import CHEXBERT_ORDER
from camanet_jax.scoring.score import Options, score

REPORTS = ['No small effusion.', 'Heart is normal', '', 'Pneumothorax, pneumothorax - 1', 'Small effusion. No heart.']


def oracle(state_dict, words):
    """Labels of one report by observation name."""
    logits = chexbert(state_dict, [WORDS.index(word) for word in words])[1]
    meaning = (-2, 1, 0, -1)  # blank, positive, negative, uncertain
    return {name: meaning[int(np.argmax(head))] for name, head in zip(CHEXBERT_ORDER, logits, strict=True)}


def test_labels_in_our_order_whatever_the_batch(files, state_dict):
    name, label = chexbert_labeler(*files, batch_size=2)
    labels = label(REPORTS)
    assert name == 'chexbert'
    for row, words in ((labels[1], ['[CLS]', 'heart', 'is', 'normal', '[SEP]']), (labels[2], ['[CLS]', '[SEP]'])):
        expected = oracle(state_dict, words)
        assert row.tolist() == [expected[observation] for observation in OBSERVATIONS]
    np.testing.assert_array_equal(chexbert_labeler(*files, batch_size=8)[1](REPORTS), labels)
    assert set(np.unique(labels)) == {-2, -1, 0, 1}, 'the test sees every value'


def test_no_reports(files):
    assert chexbert_labeler(*files)[1]([]).shape == (0, 14)


def test_clinical_efficacy_of_report_files(files, state_dict, tmp_path):
    (tmp_path / 'x.csv').write_text('id,report\na,heart is normal\nb,\n')
    (tmp_path / 'r.csv').write_text('id,report\na,small effusion\nb,heart is normal\n')
    found = score(
        Options(
            predictions=tmp_path / 'x.csv',
            references=tmp_path / 'r.csv',
            protocol='full',
            labeler='chexbert',
            weights=files[0],
            vocabulary=files[1],
        )
    )['clinical']
    assert found['labeler'] == 'chexbert'
    expected = [
        oracle(state_dict, ['[CLS]', *text.split(), '[SEP]']) for text in ('small effusion .', 'heart is normal .')
    ]
    support = {name: sum(labels[name] == 1 for labels in expected) for name in OBSERVATIONS}
    assert {name: row['support'] for name, row in found['uncertain_negative']['per_class'].items()} == support
