"""Labels from Open-i's indexing: people read each report of IU X-Ray and gave it terms, e.g. "Opacity/lung/base/left".

They index findings and impression, so a term need not stand in the findings. Their "normal" also excludes what No
Finding does not (a bent spine, a calcified lymph node), and counts neither way here.
"""

import re
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from pathlib import Path

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.labeling.label_files import Labels
from camanet_jax.labeling.label_values import IGNORED

NOT_INDEXED = 'No Indexing'
# The terms that mean each observation, as regular expressions of their first parts.
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
      source: NLMCXR_reports.tgz, or a folder that holds its XML files.

    Raises:
      ValueError: there are no reports in it.
    """
    terms = {
        f'CXR{Path(name).stem}': [element.text or '' for element in tree.iter('major')]
        for name, tree in report_trees(Path(source))
    }
    if not terms:
        raise ValueError(f"{source}: expected Open-i's reports (NLMCXR_reports.tgz or its XML files), found none")
    return {name: labels_of(found) for name, found in terms.items() if NOT_INDEXED not in found}


def report_trees(source: Path) -> Iterator[tuple[str, ElementTree.Element]]:
    """File names and parsed reports."""
    if source.is_dir():
        yield from ((path.name, ElementTree.parse(path).getroot()) for path in sorted(source.rglob('*.xml')))
        return
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                if member.name.endswith('.xml'):
                    yield member.name, ElementTree.parse(archive.extractfile(member)).getroot()
    except (OSError, tarfile.TarError, ElementTree.ParseError) as error:
        raise ValueError(f'{source}: cannot be read as an archive of XML reports ({error})') from error


def labels_of(terms: Sequence[str]) -> tuple[int, ...]:
    """The labels that a report's terms mean."""
    return tuple(
        int(any(re.match(rf'(?:{TERMS[name]})(?:/|$)', term) for term in terms)) if name in TERMS else IGNORED
        for name in OBSERVATIONS
    )
