"""Invented sources in the exact formats of Open-i and MIMIC-CXR."""

import csv
import gzip
import io
import tarfile
import zipfile

from films import film

from camanet_jax.data.schema import OBSERVATIONS

XML = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><uId id="{name}"/><MedlineCitation><Article><Abstract>
<AbstractText Label="COMPARISON">None.</AbstractText><AbstractText Label="FINDINGS">{findings}</AbstractText>
<AbstractText Label="IMPRESSION">Invented.</AbstractText></Abstract></Article></MedlineCitation>{films}</eCitation>"""


def add(archive, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def write_open_i(folder, reports):
    """Writes Open-i's two archives into a new folder.

    Args:
      reports: {report: (FINDINGS, ids of its films)}.
    """
    folder.mkdir()
    with tarfile.open(folder / 'NLMCXR_reports.tgz', 'w:gz') as archive:
        for name, (findings, films) in reports.items():
            images = ''.join(f'<parentImage id="{film_id}"/>' for film_id in films)
            content = XML.format(name=name, findings=findings, films=images).encode()
            add(archive, f'ecgen-radiology/{name[3:]}.xml', content)
    with tarfile.open(folder / 'NLMCXR_png.tgz', 'w:gz') as archive:
        for film_id in sorted(film_id for _, films in reports.values() for film_id in films):
            add(archive, f'{film_id}.png', film(seed=len(film_id)))


REPORT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___ year old invented person.

 FINDINGS: 

 Study {number} is made up.
 Nothing in it is real.

 IMPRESSION: 

 Invented."""
# subject, study, split, films as (dicom, view), whether the report has FINDINGS
MIMIC = [
    ('10000001', '50000001', 'train', [('aa-01', 'LATERAL'), ('aa-02', 'AP'), ('aa-03', 'PA')], True),
    ('10000001', '50000002', 'train', [('bb-01', 'AP')], False),
    ('11000002', '50000003', 'validate', [('cc-01', 'PA')], True),
    ('19000003', '50000004', 'test', [('dd-01', 'PA'), ('dd-02', '')], True),
]


def write_table(path, header, rows):
    with gzip.open(path, 'wt', newline='') as file:
        csv.writer(file).writerows([header, *rows])


def write_mimic_cxr(folder):
    """Writes a folder like MIMIC-CXR-JPG's, with MIMIC-CXR's zip of reports in it."""
    films = [(subject, study, split, *each) for subject, study, split, films, _ in MIMIC for each in films]
    for number, (subject, study, _, dicom, _) in enumerate(films):
        path = folder / f'files/p{subject[:2]}/p{subject}/s{study}/{dicom}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(film((300, 280), 'JPEG', number))
    with zipfile.ZipFile(folder / 'mimic-cxr-reports.zip', 'w') as archive:
        for subject, study, _, _, described in MIMIC:
            text = REPORT.format(number=study) if described else ' CHEST\n\n IMPRESSION: Invented.'
            archive.writestr(f'files/p{subject[:2]}/p{subject}/s{study}.txt', text)
    write_table(
        folder / 'mimic-cxr-2.0.0-split.csv.gz',
        ['dicom_id', 'study_id', 'subject_id', 'split'],
        [(dicom, study, subject, split) for subject, study, split, dicom, _ in films],
    )
    write_table(
        folder / 'mimic-cxr-2.0.0-metadata.csv.gz',
        ['dicom_id', 'subject_id', 'study_id', 'ViewPosition'],
        [(dicom, subject, study, view) for subject, study, _, dicom, view in films],
    )
    labels = [['1.0'] + [''] * 12 + ['-1.0'], [''] * 13 + ['0.0'], [''] * 8 + ['1.0'] + [''] * 5]
    write_table(
        folder / 'mimic-cxr-2.0.0-chexpert.csv.gz',
        ['subject_id', 'study_id', *OBSERVATIONS],
        [(subject, study, *row) for (subject, study, *_), row in zip(MIMIC, labels, strict=False)],
    )
