"""DICOM files made in memory, with a patient whose name must show nowhere."""

import io

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian

STUDY_UID, FILM_UID = '1.2.826.0.1.3680043.8.498.11', '1.2.826.0.1.3680043.8.498.22'
IDENTIFYING = {
    'PatientName': 'Doe^Erika',
    'PatientID': 'HOSP-778899',
    'PatientBirthDate': '19610704',
    'AccessionNumber': 'ACC4711',
    'InstitutionName': 'St. Elsewhere',
    'ReferringPhysicianName': 'House^Gregory',
    'StudyDate': '20200229',
}
DIGITAL_XRAY = '1.2.840.10008.5.1.4.1.1.1.1'


def dicom_bytes(
    values: np.ndarray | None, syntax: str = ExplicitVRLittleEndian, encoded: bytes | None = None, **elements
) -> bytes:
    """A file of stored values [height, width] or [height, width, 3], or of `encoded` ones; None leaves pixels out."""
    dataset = Dataset()
    for name, value in (IDENTIFYING | {'StudyInstanceUID': STUDY_UID, 'SOPInstanceUID': FILM_UID}).items():
        setattr(dataset, name, value)
    dataset.SOPClassUID, dataset.Modality = DIGITAL_XRAY, 'DX'
    if values is not None:
        describe(dataset, values)
        dataset.PixelData = values.tobytes() if encoded is None else encapsulate([encoded])
    for name, value in elements.items():
        setattr(dataset, name, value)
    return write(dataset, syntax)


def describe(dataset: Dataset, values: np.ndarray) -> None:
    """The elements that pixels need."""
    bits = 8 * values.itemsize
    dataset.Rows, dataset.Columns = values.shape[:2]
    dataset.SamplesPerPixel = 1 if values.ndim == 2 else 3
    dataset.PhotometricInterpretation = 'MONOCHROME2' if values.ndim == 2 else 'RGB'
    if values.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(values.dtype.kind == 'i')


def write(dataset: Dataset, syntax: str) -> bytes:
    """The bytes of a file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def lookup_table(entries, first: int, bits: int) -> Dataset:
    """An item of a lookup table sequence."""
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item.LUTData = np.asarray(entries, '<u2').tobytes()
    item['LUTData'].VR = 'OW'
    return item
