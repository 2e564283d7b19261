"""The words that name a finding."""

import numpy as np
import pytest

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.data.tokenizer import clean_iu_xray
from camanet_jax.lab.alignment.naming import naming_positions
from camanet_jax.synthetic.findings import labels_of, sample_findings
from camanet_jax.synthetic.reports import write_report


@pytest.mark.parametrize(
    'text, observation, expected',
    [
        ('the heart is mildly enlarged . no effusion .', 'Cardiomegaly', ['heart', 'mildly', 'enlarged']),
        ('the heart is normal in size . no effusion .', 'Cardiomegaly', []),
        ('there is no pleural effusion or pneumothorax .', 'Pleural Effusion', []),
        ('no pneumothorax . a small left pleural effusion .', 'Pleural Effusion', ['effusion']),
        ('no pneumothorax . a small left pleural effusion .', 'Pneumothorax', []),
        ('an effusion . an effusion cannot be excluded . no effusion .', 'Pleural Effusion', ['effusion', 'effusion']),
        ('patchy opacities consistent with pneumonia', 'Pneumonia', ['pneumonia']),
        ('a <unk> chest port . with the catheter tip .', 'Support Devices', ['port', 'catheter']),
        ('opacity', 'No Finding', []),
        ('', 'Edema', []),
        ('. .', 'Edema', []),
    ],
)
def test_words_of_sentences_that_assert_it(text, observation, expected):
    words = text.split()
    assert [words[place] for place in naming_positions(words, observation)] == expected


def test_places_are_those_of_the_whole_report():
    words = 'the lungs are clear . a nodule . there is a nodule .'.split()
    assert naming_positions(words, 'Lung Lesion') == [6, 11]


def test_every_synthetic_report_names_its_findings_and_no_others():
    rng = np.random.default_rng(0)
    for _ in range(150):
        findings = sample_findings(rng)
        words = clean_iu_xray(write_report(findings, rng)).split()
        for name, present in zip(OBSERVATIONS, labels_of(findings), strict=True):
            if name not in ('No Finding', 'Pneumonia'):  # "may represent infection" raises pneumonia without it
                assert bool(naming_positions(words, name)) == bool(present), (name, words)
