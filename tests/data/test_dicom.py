"""DICOM films: the grey levels a viewer shows, compressed ones too, and clear words about what is no film."""

import io
import tempfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import FILM_UID, IDENTIFYING, STUDY_UID, dicom_bytes, lookup_table
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from camanet_jax.data.dicom import is_lateral, read_identifiers
from camanet_jax.data.image_files import DamagedImageError, open_grey

EIGHT = np.arange(64 * 4, dtype=np.uint8).reshape(16, 16)
TWELVE = (np.arange(256, dtype=np.uint16) * 16).reshape(16, 16)


def shown(values, *arguments, name='film.dcm', **elements) -> np.ndarray:
    """The film as integers, so that differences have a sign."""
    return np.asarray(open_grey(dicom_bytes(values, *arguments, **elements), name)).astype(int)


def near(found, expected):
    """Equal to within rounding."""
    np.testing.assert_allclose(found, expected, atol=0.501)


def test_eight_bits_are_what_a_png_of_them_gives():
    png = io.BytesIO()
    Image.fromarray(EIGHT).save(png, 'PNG')
    for elements in ({}, dict(WindowCenter=128, WindowWidth=256), dict(RescaleSlope=1, RescaleIntercept=0)):
        np.testing.assert_array_equal(shown(EIGHT, **elements), open_grey(png.getvalue(), 'film.png'))


def test_monochrome1_is_inverted():
    np.testing.assert_array_equal(shown(EIGHT, PhotometricInterpretation='MONOCHROME1'), 255 - EIGHT.astype(int))


def test_deep_films_without_a_window_are_spread_from_lowest_to_highest():
    near(shown(TWELVE + 1000, BitsStored=14, HighBit=13), TWELVE * (255 / TWELVE.max()))
    signed = TWELVE.astype(np.int16) - 2000
    near(shown(signed), TWELVE * (255 / TWELVE.max()))
    assert (shown(np.full((4, 4), 900, np.uint16)) == 0).all()  # nothing to spread


SPREAD = TWELVE * (255 / TWELVE.max())


@pytest.mark.parametrize('word', [b'MIDDLE', b'NaN   ', b'inf   ', b'      '])
def test_windows_that_are_no_numbers_are_passed_over(word):
    encoded = dicom_bytes(TWELVE, WindowCenter='123456', WindowWidth='123456')
    near(np.asarray(open_grey(encoded.replace(b'123456', word), 'film.dcm')).astype(int), SPREAD)


def test_an_empty_lookup_table_leaves_the_window():
    near(shown(TWELVE, VOILUTSequence=Sequence([Dataset()]), WindowCenter=2040, WindowWidth=4081), SPREAD)


def test_bits_around_the_stored_ones_are_no_grey_levels():
    twelve = dict(BitsStored=12, HighBit=11)
    near(shown(TWELVE | 0x5000, **twelve), SPREAD)
    near(shown(TWELVE << 4, BitsStored=12, HighBit=15), SPREAD)
    signed = (TWELVE.astype(int) - 2048) & 0xFFF  # as an unsigned JPEG 2000 stream holds signed values
    near(shown(signed.astype(np.uint16), PixelRepresentation=1, **twelve), SPREAD)


@pytest.mark.parametrize('missing', ['BitsStored', 'HighBit', 'SamplesPerPixel', 'PixelRepresentation'])
def test_elements_with_one_sensible_value_may_be_missing(missing):
    dataset = pydicom.dcmread(io.BytesIO(dicom_bytes(TWELVE // 2, BitsStored=12, HighBit=11)))
    del dataset[missing]
    near(np.asarray(open_grey(saved(dataset), 'film.dcm')).astype(int), TWELVE * (255 / TWELVE.max()))


@pytest.mark.parametrize('missing', ['PhotometricInterpretation', 'PixelRepresentation', 'BitsAllocated'])
def test_other_missing_elements_are_named(missing):
    dataset = pydicom.dcmread(io.BytesIO(dicom_bytes(TWELVE, BitsStored=12, HighBit=11)))
    del dataset[missing]
    assert missing in message(saved(dataset))


def saved(dataset) -> bytes:
    """The file with what pydicom does not ask for."""
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=False)
    return file.getvalue()


def test_padding_is_black_and_does_not_count():
    padded = TWELVE + 1000
    padded[0] = 65535
    found = shown(padded, PixelPaddingValue=65535, PhotometricInterpretation='MONOCHROME1')
    assert (found[0] == 0).all() and found[1, 0] == 255 and found[-1, -1] == 0
    padded[0, :8] = 65000
    assert (shown(padded, PixelPaddingValue=65535, PixelPaddingRangeLimit=65000)[0] == 0).all()
    padded = np.where(np.arange(16) < 8, 65535, TWELVE).astype(np.uint16)  # more bits than are stored
    assert (shown(padded, PixelPaddingValue=65535, BitsStored=12, HighBit=11)[:, :8] == 0).all()


@pytest.mark.parametrize(
    ('function', 'expected'),
    [
        ('LINEAR', lambda x: (x - 1999.5) / 1023 + 0.5),
        ('LINEAR_EXACT', lambda x: (x - 2000) / 1024 + 0.5),
        ('SIGMOID', lambda x: 1 / (1 + np.exp(-4 * (x - 2000) / 1024))),
    ],
)
def test_windows_apply_to_rescaled_values(function, expected):
    found = shown(
        TWELVE,
        WindowCenter=[2000, 1],
        WindowWidth=[1024, 1],
        VOILUTFunction=function,
        RescaleSlope=2,
        RescaleIntercept=-500,
    )
    near(found, 255 * np.clip(expected(2.0 * TWELVE - 500), 0, 1))


def test_a_window_without_width_is_passed_over():
    near(shown(TWELVE, WindowCenter=5, WindowWidth=0), TWELVE * (255 / TWELVE.max()))


def test_lookup_tables_go_before_windows():
    curve = np.round(np.linspace(0, 1, 3001) ** 2 * 4095)
    found = shown(TWELVE, VOILUTSequence=Sequence([lookup_table(curve, 500, 12)]), WindowCenter=1, WindowWidth=2)
    near(found, curve[np.clip(TWELVE.astype(int) - 500, 0, 3000)] * (255 / 4095))


def test_modality_tables_go_first():
    falling = np.arange(4096)[::-1]
    found = shown(
        TWELVE, ModalityLUTSequence=Sequence([lookup_table(falling, 0, 16)]), WindowCenter=2048, WindowWidth=4096
    )
    near(found, (4095 - TWELVE.astype(int)) * (255 / 4095))


def test_colour_goes_the_way_of_other_images():
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    np.testing.assert_array_equal(shown(colours), Image.fromarray(colours).convert('L'))
    np.testing.assert_array_equal(shown(np.stack([EIGHT] * 3, -1)), EIGHT)


# --- Compressed ---


def transcode(encoded: bytes, syntax: str) -> bytes:
    """The file compressed anew with GDCM, which has encoders."""
    gdcm = pytest.importorskip('gdcm')
    with tempfile.TemporaryDirectory() as folder:
        source, target = f'{folder}/source.dcm', f'{folder}/target.dcm'
        Path(source).write_bytes(encoded)
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(source)
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFileName(target)
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return Path(target).read_bytes()


@pytest.mark.parametrize(
    'syntax',
    [
        uid.JPEGLossless,
        uid.JPEGLosslessSV1,
        uid.JPEGLSLossless,
        uid.JPEG2000Lossless,
        uid.RLELossless,
        uid.DeflatedExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
    ],
)
@pytest.mark.parametrize('values', [EIGHT, TWELVE], ids=['8 bit', '16 bit'])
def test_lossless_syntaxes_change_nothing(syntax, values):
    encoded = transcode(dicom_bytes(values), syntax)
    assert syntax.encode() in encoded
    np.testing.assert_array_equal(open_grey(encoded, 'film.dcm'), shown(values))


def test_jpeg_is_decoded():
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(smooth).save(file, 'JPEG', quality=95)
    assert np.abs(shown(smooth, uid.JPEGBaseline8Bit, file.getvalue()) - smooth).max() < 6


def test_the_end_of_compressed_pixels_and_their_syntax_may_be_missing():
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(smooth).save(file, 'JPEG', quality=95)
    whole = dicom_bytes(smooth, uid.JPEGBaseline8Bit, file.getvalue())
    expected = open_grey(whole, 'film.dcm')
    np.testing.assert_array_equal(open_grey(whole[:-8], 'film.dcm'), expected)
    assert 'cut short' in message(whole[:-200])
    dataset = pydicom.dcmread(io.BytesIO(whole))
    del dataset.file_meta.TransferSyntaxUID
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=False, implicit_vr=False, little_endian=True)
    np.testing.assert_array_equal(open_grey(file.getvalue(), 'film.dcm'), expected)


def test_twelve_bit_jpeg_names_what_reads_it():
    assert 'pylibjpeg-libjpeg' in message(
        dicom_bytes(TWELVE, uid.JPEGExtended12Bit, b'\xff\xd8\xff', BitsStored=12, HighBit=11)
    )


def test_native_pixels_cut_short_are_counted():
    assert 'expected 512 bytes, got 412' in message(dicom_bytes(TWELVE, PixelData=TWELVE.tobytes()[:-100]))


def test_a_syntax_without_plug_in_names_it():
    with pytest.raises(DamagedImageError, match=r'High-Throughput JPEG 2000 .* no plug-in .*\[dicom\].* pylibjpeg'):
        shown(EIGHT, uid.HTJ2KLossless, b'no matter')


# --- No films ---


def message(encoded: bytes, name='film.dcm') -> str:
    """What is said of a file that is refused."""
    with pytest.raises(DamagedImageError) as caught:
        open_grey(encoded, name)
    return str(caught.value)


def test_files_without_pixels_and_with_many_frames_are_named():
    assert message(dicom_bytes(None)) == (
        'image film.dcm cannot be decoded: it is a DICOM file without pixel data (Digital X-Ray Image Storage - For '
        'Presentation)'
    )
    assert 'without pixel data' in message(dicom_bytes(None, Rows=4, Columns=4))
    assert 'expected a single film, got 3 frames' in message(dicom_bytes(EIGHT, NumberOfFrames=3))


def test_damaged_files_are_told_without_what_is_in_them():
    whole = dicom_bytes(TWELVE, PatientComments='Doe^Erika ' * 20)
    for kept in (140, 300, len(whole) // 2, len(whole) - 100):
        said = message(whole[:kept])
        assert 'film.dcm cannot be decoded' in said
        assert not any(value in said for value in [*IDENTIFYING.values(), STUDY_UID, FILM_UID])
    assert 'no DICOM file' in message(b'some text, long enough to be taken for elements' * 9)


def test_nonsense_never_breaks_out():
    rng = np.random.default_rng(0)
    for encoded in (dicom_bytes(TWELVE, WindowCenter=5, WindowWidth=2), transcode(dicom_bytes(EIGHT), uid.RLELossless)):
        for _ in range(60):
            nonsense = np.frombuffer(encoded, np.uint8).copy()
            nonsense[rng.integers(132, len(encoded), 4)] = rng.integers(0, 256, 4)
            try:
                open_grey(nonsense.tobytes(), 'film.dcm')
            except DamagedImageError as error:
                assert 'film.dcm cannot be decoded' in str(error)


def test_files_without_the_mark_are_read_by_their_name():
    bare = dicom_bytes(EIGHT)[132:]
    np.testing.assert_array_equal(open_grey(bare, 'old.DCM'), EIGHT)
    assert 'none of the formats' in message(bare, 'old.png')


# --- What else is read ---


def test_identifiers_and_view_are_read_apart(tmp_path):
    (tmp_path / 'film').write_bytes(dicom_bytes(EIGHT, ViewPosition='LL'))
    (tmp_path / 'other.png').write_bytes(b'none')
    assert read_identifiers(tmp_path / 'film') == {'StudyInstanceUID': STUDY_UID, 'SOPInstanceUID': FILM_UID}
    assert is_lateral(tmp_path / 'film')
    assert read_identifiers(tmp_path / 'other.png') == {} and not is_lateral(tmp_path / 'other.png')
