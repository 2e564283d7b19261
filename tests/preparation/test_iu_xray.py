import json
import shutil

import pytest

from camanet_jax.preparation.iu_xray import check_counts, collect_iu_xray, read_iu_split
from camanet_jax.preparation.open_i import WHOLE_ARCHIVE, ArchiveCounts, read_reports

COUNTS = ArchiveCounts(5, 4, {0: 1, 2: 2, 3: 1})
SPLIT = {'train': ['CXR10_IM-0002-1001', 'CXR1_1_IM-0001'], 'val': ['CXR3_IM-1384'], 'test': []}


def collect(source, output, **options):
    return collect_iu_xray(source, output, split=SPLIT, expected=COUNTS, **options)


def test_packed_archives_become_studies_in_the_splits_order(open_i, tmp_path):
    collected = collect(open_i, tmp_path / 'out')
    assert [(study.id, study.split) for study in collected.studies] == [
        ('CXR10_IM-0002-1001', 'train'),
        ('CXR1_1_IM-0001', 'train'),
        ('CXR3_IM-1384', 'val'),
    ]
    assert collected.studies[2].report == 'Heart is big. '  # as written
    assert collected.studies[2].image_paths == ('CXR3_IM-1384-1001.png', 'CXR3_IM-1384-2001.png')
    assert collected.images_dir == tmp_path / 'out/images'
    assert len(list(collected.images_dir.iterdir())) == 6  # only what is wanted is unpacked
    assert (tmp_path / 'out/studies_of_more_films.csv').read_text().splitlines()[1:] == [
        'CXR3_IM-1384,CXR3_IM-1384-1001 CXR3_IM-1384-2001,CXR3_IM-1384-3001'
    ]


def test_details_are_kept_and_another_section_may_be_the_target(open_i, tmp_path):
    study = collect(open_i, tmp_path / 'out', section='both').studies[2]
    assert study.report == 'Heart is big. Invented.'
    assert study.details == {'findings': 'Heart is big. ', 'impression': 'Invented.', 'comparison': 'None.'}


def test_unpacked_archives_are_used_in_place(open_i, tmp_path):
    for name in ('NLMCXR_reports.tgz', 'NLMCXR_png.tgz'):
        shutil.unpack_archive(open_i / name, open_i / name.split('.')[0])  # tarfile's filter is new in Python 3.11.4
        (open_i / name).unlink()
    collected = collect(open_i, tmp_path / 'out')
    assert collected.images_dir == open_i
    assert collected.studies[0].image_paths[1] == 'NLMCXR_png/CXR10_IM-0002-1001-0002.png'
    assert not (tmp_path / 'out/images').exists()


def test_unpacking_goes_on_where_it_stopped(open_i, tmp_path):
    collect(open_i, tmp_path / 'out')
    kept, lost = sorted((tmp_path / 'out/images').iterdir())[:2]
    lost.rename(lost.with_name(f'.{lost.name}.tmp'))
    kept.write_bytes(b'not written again')
    collect(open_i, tmp_path / 'out')
    assert kept.read_bytes() == b'not written again' and lost.stat().st_size > 100
    assert len(list(kept.parent.iterdir())) == 6


def test_annotations_paths_choose_the_films(open_i, tmp_path):
    entries = [
        {
            'id': 'CXR3_IM-1384',
            'report': 'Heart is big. ',
            'image_path': ['images/CXR3_IM-1384-3001.png', 'images/CXR3_IM-1384-1001.png'],
        }
    ]
    annotation = tmp_path / 'annotation.json'
    annotation.write_text(json.dumps({'train': [], 'val': entries, 'test': []}))
    collected = collect(open_i, tmp_path / 'out', annotation=annotation)
    assert collected.studies[2].image_paths == ('CXR3_IM-1384-3001.png', 'CXR3_IM-1384-1001.png')


def test_absent_films_stop_or_leave_studies_out(open_i, tmp_path):
    collect(open_i, tmp_path / 'first')
    (open_i / 'NLMCXR_png.tgz').unlink()
    films = open_i / 'films'
    (tmp_path / 'first/images').rename(films)
    (films / 'CXR1_1_IM-0001-4001.png').unlink()
    with pytest.raises(ValueError, match='1 film: CXR1_1_IM-0001-4001.png'):
        collect(open_i, tmp_path / 'out')
    collected = collect(open_i, tmp_path / 'out', only_existing_images=True)
    assert [study.id for study in collected.studies] == ['CXR10_IM-0002-1001', 'CXR3_IM-1384']


def test_incomplete_archives_and_other_studies_are_refused(open_i, tmp_path):
    with pytest.raises(ValueError, match='expected 3,955 reports.*got 5 reports, 4 with FINDINGS'):
        collect_iu_xray(open_i, tmp_path / 'out')
    with pytest.raises(ValueError, match='1 study: CXR3_IM-1384'):
        collect_iu_xray(open_i, tmp_path / 'out', expected=COUNTS, split=SPLIT | {'val': []})
    whole = (open_i / 'NLMCXR_reports.tgz').read_bytes()
    (open_i / 'NLMCXR_reports.tgz').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match='not a whole archive'):
        read_reports(open_i)


def test_shipped_split_and_real_reports(shared_dir):
    folder = shared_dir / 'data/iu_xray'
    annotation = json.loads((folder / 'annotation.json').read_text())
    assert read_iu_split() == {split: [entry['id'] for entry in annotation[split]] for split in annotation}
    reports = read_reports(folder / 'raw')
    check_counts(ArchiveCounts.of(reports), WHOLE_ARCHIVE)
    findings = {report.study_id: report.findings for report in reports if report.findings and len(report.films) >= 2}
    assert findings == {entry['id']: entry['report'] for split in annotation.values() for entry in split}
    assert len(findings) == 2955
