import numpy as np
import pytest

from camanet_jax.data.schema import OBSERVATIONS, read_annotation
from camanet_jax.data.tokenizer import clean_iu_xray
from camanet_jax.labeling.label_files import positives, without_ignored
from camanet_jax.labeling.openi_index import read_openi_index
from camanet_jax.labeling.rule_labeler import label_report, label_reports
from camanet_jax.metrics.classification import classification_scores

SENTENCES = [
    ('There is a moderate right pleural effusion.', 'Pleural Effusion', 1),
    ('No pneumothorax, large effusion or focal consolidation.', 'Pleural Effusion', 0),
    ('No pneumothorax, but a small effusion on the left.', 'Pleural Effusion', 1),
    ('The left effusion has resolved.', 'Pleural Effusion', 0),
    ('An effusion cannot be excluded.', 'Pleural Effusion', -1),
    ('No interval change of the known effusion.', 'Pleural Effusion', 1),
    ('There may be a pericardial effusion.', 'Pleural Effusion', -2),
    ('The heart is moderately enlarged.', 'Cardiomegaly', 1),
    ('The heart is not enlarged.', 'Cardiomegaly', 0),
    ('The heart is normal and the aorta is enlarged.', 'Cardiomegaly', -2),
    ('Borderline cardiomegaly.', 'Cardiomegaly', -1),
    ('Negative for pneumothorax.', 'Pneumothorax', 0),
    ('A tiny apical pneumothorax persists.', 'Pneumothorax', 1),
    ('Findings could reflect pneumonia.', 'Pneumonia', -1),
    ('Patchy opacity in the right lower lobe.', 'Pneumonia', -2),
    ('Patchy opacity in the right lower lobe.', 'Lung Opacity', 1),
    ('Sequelae of old granulomatous infection.', 'Pneumonia', -2),
    ('Right upper lobe nodule.', 'Lung Lesion', 1),
    ('Calcified left lower lobe nodule.', 'Lung Lesion', 1),
    ('Nodular density, likely a granuloma.', 'Lung Lesion', -2),
    ('Right base opacity and a calcified granuloma.', 'Lung Opacity', 1),
    ('Calcified granuloma in the left base.', 'Lung Lesion', -2),
    ('Noncalcified left lower lobe nodule.', 'Lung Lesion', 1),
    ('Pulmonary vascularity is increased.', 'Edema', 1),
    ('Lungs are free of edema.', 'Edema', 0),
    ('Bibasilar atelectasis.', 'Atelectasis', 1),
    ('Scarring or atelectasis in the left base.', 'Atelectasis', -1),
    ('Left base atelectasis or mild scarring.', 'Atelectasis', -1),
    ('Atelectasis without significant change.', 'Atelectasis', 1),
    ('Interstitial opacities on both sides.', 'Edema', -2),
    ('Heart size and vascular engorgement within limits of normal.', 'Edema', -2),
    ('Heart size is borderline.', 'Cardiomegaly', -1),
    ('Heart size is at the upper limits of normal.', 'Cardiomegaly', -2),
    ('Streaky densities in the left base.', 'Lung Opacity', 1),
    ('Biapical pleural-parenchymal scarring.', 'Pleural Other', 1),
    ('Prosthetic aortic valve and monitor leads.', 'Support Devices', 1),
    ('Coronary artery stent.', 'Support Devices', -2),
    ('Displaced fracture of the left clavicle.', 'Fracture', 1),
    ('Old healed rib fractures.', 'Fracture', 1),
    ('A right PICC ends in the SVC.', 'Support Devices', 1),
    ('Interval removal of the chest tube.', 'Support Devices', 0),
    ('Widening of the superior mediastinum.', 'Enlarged Cardiomediastinum', 1),
    ('Apical pleural thickening.', 'Pleural Other', 1),
    ('Hazy opacity in the lingula.', 'Lung Opacity', 1),
]


@pytest.mark.parametrize('sentence, name, label', SENTENCES)
def test_sentences(sentence, name, label):
    assert label_report(sentence)[name] == label
    assert label_report(clean_iu_xray(sentence))[name] == label


def test_the_strongest_sentence_prevails():
    report = 'No focal consolidation. Possible consolidation at the base. Dense consolidation.'
    assert label_report(report)['Consolidation'] == 1
    assert label_report(report.rsplit('. ', 1)[0])['Consolidation'] == -1


@pytest.mark.parametrize(
    'report, label',
    [
        ('Heart size is normal. Lungs are clear. No effusion.', 1),
        ('A pacemaker is in place. Lungs are clear.', 1),
        ('Small effusion.', -2),
        ('Possible effusion.', -2),
        ('Changes of emphysema.', -2),
        ('', 1),
    ],
)
def test_no_finding(report, label):
    assert label_report(report)['No Finding'] == label


def test_array_in_the_order_of_the_observations():
    labels = label_reports(['Small effusion.', 'Possible pneumonia.'])
    assert labels.shape == (2, 14)
    assert labels[0, OBSERVATIONS.index('Pleural Effusion')] == 1
    assert labels[1, OBSERVATIONS.index('Pneumonia')] == -1
    assert label_reports([]).shape == (0, 14)


@pytest.fixture(scope='module')
def iu_xray_test(shared_dir):
    """The test studies of IU X-Ray and their labels by the rules."""
    studies = [study for study in read_annotation(shared_dir / 'data/iu_xray') if study.split == 'test']
    return studies, label_reports([study.report for study in studies])


def test_agreement_with_the_pseudo_labels_of_iu_xray(iu_xray_test):
    studies, labels = iu_xray_test
    target = np.array([study.labels for study in studies])
    scores = classification_scores(positives(labels, 'positive'), target)
    assert scores['micro']['F1'] > 0.82
    assert scores['per_class']['No Finding']['F1'] > 0.93


def test_agreement_with_the_people_who_indexed_iu_xray(iu_xray_test, shared_dir):
    studies, labels = iu_xray_test
    index = read_openi_index(shared_dir / 'data/iu_xray/raw/NLMCXR_reports.tgz')
    indexed = [place for place, study in enumerate(studies) if study.id.split('_')[0] in index]
    target = np.array([index[studies[place].id.split('_')[0]] for place in indexed])
    both = without_ignored(positives(labels[indexed], 'positive'), target)
    assert classification_scores(*both)['micro']['F1'] > 0.86
