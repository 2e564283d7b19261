"""IU X-Ray: from Open-i's reports and films to the studies of R2Gen's split.

R2Gen keeps the reports with FINDINGS and at least two films: 2,955 of 3,955. The XMLs do not say which film is the
frontal view; of three or more films the first two in the XML are taken, unless an annotation names others.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from camanet_jax.data.schema import SPLITS, Study, summarise
from camanet_jax.preparation.folder import Collected, read_r2gen_entries
from camanet_jax.preparation.open_i import WHOLE_ARCHIVE, ArchiveCounts, OpenIReport, locate_films, read_reports
from camanet_jax.preparation.sections import SECTIONS, with_section
from camanet_jax.run.files import as_csv, read_json, write_text

LOG = logging.getLogger(__name__)

_VIEWS = 2
CHOICES_FILE = 'studies_of_more_films.csv'


def read_iu_split() -> dict[str, list[str]]:
    """Reads the ids of the 2,069 train, 296 val and 590 test studies, such as CXR54_IM-2145, in R2Gen's order."""
    return read_json(Path(__file__).with_name('iu_split.json'))


def collect_iu_xray(
    source: Path,
    output: Path,
    *,
    annotation: Path | None = None,
    only_existing_images: bool = False,
    section: str = SECTIONS[0],
    split: dict[str, list[str]] | None = None,
    expected: ArchiveCounts = WHOLE_ARCHIVE,
) -> Collected:
    """Collects the studies of R2Gen's split with their films.

    Args:
      source: a folder with NLMCXR_reports.tgz and NLMCXR_png.tgz, or with their contents.
      output: the folder for the films of a packed archive, and for a list of the choices among three or more films.
      annotation: R2Gen's annotation.json: films that its paths name are taken, and its reports compared.
      only_existing_images: leave out studies whose films are missing.
      section: the target, one of `SECTIONS`; those of R2Gen's studies that lack it are left out.
      split: ids of each split, by default R2Gen's.
      expected: the counts that the archive must have.

    Raises:
      ValueError: the archive has other counts, studies differ from the split's, or films are missing.
    """
    reports = read_reports(source)
    check_counts(ArchiveCounts.of(reports), expected)
    kept = {report.study_id: report for report in reports if report.findings and len(report.films) >= _VIEWS}
    split = split or read_iu_split()
    _check_ids(kept, split)
    entries = {entry['id']: entry for _, entry in read_r2gen_entries(annotation)} if annotation else {}
    _compare_reports(kept, entries)

    films = {name: _choose_films(report, entries.get(name, {}).get('image_path', ())) for name, report in kept.items()}
    _list_choices(kept, films, output / CHOICES_FILE)
    images_dir, paths = locate_films(source, output, {film for chosen in films.values() for film in chosen})
    paths_of = {name: tuple(paths.get(film, f'{film}.png') for film in chosen) for name, chosen in films.items()}
    studies = [
        Study(name, part, kept[name].findings, None, paths_of[name], details=kept[name].details)
        for part in SPLITS
        for name in split[part]
    ]
    studies = with_section(studies, section, source)
    studies = _with_films(studies, set(paths.values()), source, only_existing_images)
    return Collected(studies, images_dir, {'data_set': 'IU X-Ray (Open-i)', 'split': 'R2Gen', 'section': section})


def check_counts(counts: ArchiveCounts, expected: ArchiveCounts) -> None:
    """Logs the counts of an archive; raises ValueError unless they are the expected ones."""
    LOG.info('Open-i: %s', counts)
    if counts != expected:
        raise ValueError(f'expected {expected}; got {counts}. The archive is not whole, or not NLMCXR_reports.tgz')


def _check_ids(kept: dict[str, OpenIReport], split: dict[str, list[str]]) -> None:
    of_split = {name for part in split.values() for name in part}
    if different := sorted(of_split ^ kept.keys()):
        names = summarise(different, 'study', 'studies')
        raise ValueError(f'the split and the studies with FINDINGS and two films differ in {names}')
    sizes = ', '.join(f'{len(split[part]):,} {part}' for part in SPLITS)
    LOG.info('%d studies have FINDINGS and at least two films, exactly those of the split (%s)', len(kept), sizes)


def _compare_reports(kept: dict[str, OpenIReport], entries: dict[str, dict]) -> None:
    if not entries:
        return
    if different := [name for name, report in kept.items() if entries.get(name, {}).get('report') != report.findings]:
        names = summarise(different, 'study', 'studies')
        LOG.warning("The annotation's report is not the XML's FINDINGS (which are taken) in %s", names)
    LOG.info("%d of %d reports of the annotation equal the XML's FINDINGS", len(kept) - len(different), len(kept))


def _choose_films(report: OpenIReport, annotated_paths: Sequence[str]) -> tuple[str, ...]:
    named = tuple(Path(path).stem for path in annotated_paths)
    return named if named and set(named) <= set(report.films) else report.films[:_VIEWS]


def _list_choices(kept: dict[str, OpenIReport], films: dict[str, tuple[str, ...]], path: Path) -> None:
    """Writes the films taken and left out of studies with more than two."""
    rows = [('id', 'taken', 'left out')]
    for name, report in kept.items():
        if len(report.films) > _VIEWS:
            left_out = [film for film in report.films if film not in films[name]]
            rows.append((name, ' '.join(films[name]), ' '.join(left_out)))
    write_text(path, as_csv(rows))
    LOG.info('%d studies have three or more films; taken and left out: %s', len(rows) - 1, path)


def _with_films(studies: list[Study], existing: set[str], source: Path, only_existing: bool) -> list[Study]:
    missing = {study.id: [path for path in study.image_paths if path not in existing] for study in studies}
    if not any(missing.values()):
        return studies
    films = summarise([path for paths in missing.values() for path in paths], 'film', 'films')
    if not only_existing:
        raise ValueError(f'{source} lacks {films} (--only_existing_images leaves such studies out)')
    whole = [study for study in studies if not missing[study.id]]
    if not whole:
        raise ValueError(f'{source}: no study has all its films')
    LOG.warning('Left out %d of %d studies; %s lacks %s', len(studies) - len(whole), len(studies), source, films)
    return whole
