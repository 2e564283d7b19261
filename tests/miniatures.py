"""What the commands of README and docs start from, made small: recipes, data sets, films, reports of a system."""

import csv
import json
from pathlib import Path

from archives import write_mimic_cxr, write_open_i
from films import film
from study_folders import write_study_folder

from camanet_jax.lab.benchmarks.roofline import Hardware
from camanet_jax.preparation.iu_xray import read_iu_split
from camanet_jax.preparation.open_i import WHOLE_ARCHIVE

# Added to every recipe of a copy of the repository. Those that begin with another one only repeat it.
SMALL = """

from camanet_jax.lab.benchmarks.workload import shrink

whole_config = get_config


def get_config():
    config = whole_config()
    shrink(config)
    config.epochs, config.data.num_workers, config.evaluation.figures = 1, 0, 1
    if config.data.name == 'synthetic':
        config.data.options.update(val_studies=4, test_studies=4)
    return config
"""
COUNTS = (8, 4, 4)  # studies of each split


def shrink_recipes(folder: Path) -> None:
    """Makes every recipe of a folder one of seconds."""
    for file in folder.glob('*.py'):
        file.write_text(file.read_text(encoding='utf-8') + SMALL, encoding='utf-8')


def make_inputs(folder: Path) -> None:
    """Writes the files that the pages name, `/data` among them, into the folder that the commands run in."""
    data = folder / 'data'
    for name, views in (('iu_xray', 2), ('iu_xray_256', 2), ('mimic_cxr', 1), ('nih_sample', 1), ('mine', 2)):
        write_study_folder(data / name, COUNTS, views)
    boxes = [
        {'id': f'test{i}', 'finding': 'Cardiomegaly', 'xywh_1024': [256, 256, 512, 512]} for i in range(COUNTS[-1])
    ]
    (data / 'nih_sample' / 'boxes.json').write_text(json.dumps(boxes))
    write_whole_open_i(data / 'open_i')
    write_mimic_cxr(data / 'mimic_jpg')
    with (data / 'iu_xray_256' / 'annotation.json').open(encoding='utf-8') as file:
        films = [
            (study['id'], view, '', '') for split in json.load(file).values() for study in split for view in (0, 1)
        ]
    write_csv(data / 'iu_xray_256' / 'films.csv', 'study', 'view_index', 'dicom_columns', 'dicom_rows', rows=films)
    (folder / 'films').mkdir()
    (folder / 'films' / 'a.png').write_bytes(film())
    studies = json.loads((data / 'iu_xray' / 'annotation.json').read_text())['test']
    for name in ('reports', 'a', 'b', 'c'):
        write_csv(
            folder / f'{name}.csv',
            'id',
            'report',
            rows=[(study['id'], f'Clear lungs. By {name}.') for study in studies],
        )
    predictions = folder / 'runs' / 'a' / 'predictions' / 'test.jsonl'
    predictions.parent.mkdir(parents=True)
    lines = [{'id': study['id'], 'report': 'lungs are clear .'} for study in studies]
    predictions.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    write_outputs_of_others(folder, studies)
    (folder / 'radeval.json').write_text(json.dumps({'radgraph': [0.5] * len(studies), 'bertscore': 0.25}))
    hardware = Hardware('mine', 1e12, 1e11, 0.5, 0.5, 1e-5, 1e10, 1e-4, devices_per_host=1, cores=4, source='invented')
    (folder / 'mine.json').write_text(json.dumps([vars(hardware)]))


def write_outputs_of_others(folder: Path, studies: list[dict]) -> None:
    """Writes ReXrank's studies, and MoERad's reports and scores, which number the studies."""
    of_rexrank = {
        study['id']: {
            'image_path': study['image_path'],
            'key_image_path': study['image_path'][0],
            'frontal_lateral': ['Frontal', 'Lateral'],
            'section_findings': study['report'],
            'section_impression': 'Normal.',
        }
        for study in studies
    }
    (folder / 'ReXRank_IUXray_test.json').write_text(json.dumps(of_rexrank))
    (folder / 'moerad').mkdir()
    for name in ('preds', 'gts'):
        rows = [(study['id'], study['report']) for study in studies]
        write_csv(folder / 'moerad' / f'{name}.csv', 'study_id', 'report', rows=rows)
    scores = [(number, 0.5) for number, _ in enumerate(studies)]
    write_csv(folder / 'moerad' / 'report_scores.csv', 'study_id', 'bertscore', rows=scores)


def write_csv(path: Path, *header: str, rows: list[tuple]) -> None:
    """Writes a table."""
    with path.open('w', encoding='utf-8', newline='') as file:
        csv.writer(file).writerows([header, *rows])


def write_whole_open_i(folder: Path) -> None:
    """Writes archives of as many reports and films as Open-i's, those of R2Gen's split among them."""
    reports, names = {}, [name for part in read_iu_split().values() for name in part]
    numbers = [number for number, count in WHOLE_ARCHIVE.by_films.items() if number > 1 for _ in range(count)]
    for name, number in zip(names, numbers, strict=True):
        findings = 'Small pleural effusion.' if len(reports) % 3 else 'Lungs are clear.'  # labels must not be all alike
        reports[f'CXR{len(reports)}'] = findings, [f'{name}-{1001 + i}' for i in range(number)]
    for number in (0, 1):
        for _ in range(WHOLE_ARCHIVE.by_films[number]):
            reports[f'CXR{len(reports)}'] = 'Clear.', [f'CXR{len(reports)}_alone-1001'] * number
    for _ in range(WHOLE_ARCHIVE.reports - WHOLE_ARCHIVE.with_findings):
        reports[f'CXR{len(reports)}'] = '', []
    write_open_i(folder, reports)
