"""Labels from Open-i's indexing: people read each report of IU X-Ray and gave it terms, e.g. "Opacity/lung/base/left".

They indexed findings and impression together, so a term need not stand in the findings. Their "normal" excludes more
than No Finding does (a bent spine, a calcified lymph node), and is therefore ignored here.
"""

import re
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from pathlib import Path

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.labeling.label_files import IGNORED, Labels

REPORTS_ARCHIVE = 'NLMCXR_reports.tgz'
NOT_INDEXED = 'No Indexing'
# Regular expressions of the terms (their first parts) that correspond to each observation.
TERMS = {
    'Atelectasis': 'Pulmonary Atelectasis',
    'Cardiomegaly': 'Cardiomegaly|Cardiac Shadow/.*enlarged',
    'Consolidation': 'Consolidation',
    'Edema': 'Pulmonary Edema|Pulmonary Congestion|Heart Failure',
    'Enlarged Cardiomediastinum': 'Mediastinum/.*(?:enlarged|prominent)',
    'Fracture': 'Fractures, Bone',
    'Lung Lesion': 'Nodule|Mass|Cavitation',
    'Lung Opacity': 'Opacity|Airspace Disease|Infiltrate|Density/.*lung|Consolidation',
    'Pleural Effusion': 'Pleural Effusion|Hydropneumothorax',
    'Pleural Other': '(?:Thickening|Calcinosis|Cicatrix)/.*pleura',
    'Pneumonia': 'Pneumonia',
    'Pneumothorax': 'Pneumothorax|Hydropneumothorax',
    'Support Devices': 'Catheters, Indwelling|Tube, Inserted|Implanted Medical Device|Medical Device',
}


def read_openi_index(source: str | Path) -> Labels:
    """Labels 0, 1 or -1 (ignored) by Open-i's study id, e.g. CXR162, of the studies that were indexed.

    Args:
      source: as for `report_trees`.

    Raises:
      ValueError: there are no reports, or they cannot be read.
    """
    terms = {
        f'CXR{Path(name).stem}': [element.text or '' for element in tree.iter('major')]
        for name, tree in report_trees(Path(source))
    }
    return {name: labels_of(indexed) for name, indexed in terms.items() if NOT_INDEXED not in indexed}


def report_trees(source: Path) -> Iterator[tuple[str, ElementTree.Element]]:
    """Yields the names and contents of Open-i's report XMLs.

    Args:
      source: NLMCXR_reports.tgz, a folder with it, or a folder with its XMLs at any depth.

    Raises:
      ValueError: there are none, or the archive or an XML cannot be read.
    """
    if source.is_dir() and not (source / REPORTS_ARCHIVE).is_file():
        files = ((str(path), path.read_bytes()) for path in sorted(source.rglob('*.xml')))
    else:
        files = _archived(source / REPORTS_ARCHIVE if source.is_dir() else source)
    name = None
    for name, content in files:
        try:
            yield name, ElementTree.fromstring(content)
        except ElementTree.ParseError as error:
            raise ValueError(f"{name}: not one of Open-i's report XMLs ({error})") from error
    if name is None:
        raise ValueError(f"{source}: expected Open-i's reports ({REPORTS_ARCHIVE} or its XML files), found none")


def _archived(archive: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(archive, 'r|*') as members:
            for member in members:
                if member.name.endswith('.xml'):
                    yield member.name, members.extractfile(member).read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ValueError(
            f'{archive}: cannot be read as an archive of XML reports, or is not a whole archive ({error}); '
            'download it again'
        ) from error


def labels_of(terms: Sequence[str]) -> tuple[int, ...]:
    """The labels that correspond to a report's terms."""
    return tuple(
        int(any(re.match(rf'(?:{TERMS[name]})(?:/|$)', term) for term in terms)) if name in TERMS else IGNORED
        for name in OBSERVATIONS
    )
