import io
import tarfile

import pytest

from camanet_jax.data.schema import OBSERVATIONS
from camanet_jax.labeling.openi_index import read_openi_index

TERMS = {
    '1': ['normal'],
    '2': ['Opacity/lung/base/left', 'Cardiac Shadow/mild/enlarged'],
    '3': ['No Indexing'],
    '4': ['Density/ribs/right', 'Pneumothoraxes', 'Thickening/pleura/apex', 'Fractures, Bone/ribs/healed'],
}


def report(terms):
    return f'<eCitation><MeSH>{"".join(f"<major>{term}</major>" for term in terms)}</MeSH></eCitation>'.encode()


def positive(row):
    return {name for name, value in zip(OBSERVATIONS, row, strict=True) if value == 1}


@pytest.mark.parametrize('packed', [True, False])
def test_terms_to_labels(tmp_path, packed):
    if packed:
        with tarfile.open(tmp_path / 'reports.tgz', 'w:gz') as archive:
            for name, terms in TERMS.items():
                member = tarfile.TarInfo(f'ecgen-radiology/{name}.xml')
                member.size = len(report(terms))
                archive.addfile(member, io.BytesIO(report(terms)))
    else:
        for name, terms in TERMS.items():
            (tmp_path / f'{name}.xml').write_bytes(report(terms))
    labels = read_openi_index(tmp_path / 'reports.tgz' if packed else tmp_path)
    assert set(labels) == {'CXR1', 'CXR2', 'CXR4'}
    assert positive(labels['CXR1']) == set()
    assert positive(labels['CXR2']) == {'Lung Opacity', 'Cardiomegaly'}
    assert positive(labels['CXR4']) == {'Pleural Other', 'Fracture'}
    assert all(row[OBSERVATIONS.index('No Finding')] == -1 for row in labels.values())


def test_nothing_to_read(tmp_path):
    with pytest.raises(ValueError, match='found none'):
        read_openi_index(tmp_path)
    (tmp_path / 'x.tgz').write_text('no archive')
    with pytest.raises(ValueError, match='cannot be read as an archive'):
        read_openi_index(tmp_path / 'x.tgz')
