"""A codec that crashes, hangs or wants all memory costs its film, and the next one is decoded."""

import errno
import io

import numpy as np
import pytest
from dicom_files import dicom_bytes
from PIL import Image
from pydicom.uid import JPEG2000Lossless

from camanet_jax.data import film_decoder
from camanet_jax.data.image_files import DamagedImageError, open_grey

CRASH = 'import os; os.kill(os.getpid(), 11)'
HANG = 'import time; time.sleep(60)'
GREEDY = (
    'from camanet_jax.data import film_decoder, image_files; image_files.decode_dicom = lambda content: bytes(2**40); '
)


def compressed(values):
    """A film in JPEG 2000."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, 'JPEG2000')
    return dicom_bytes(values, JPEG2000Lossless, file.getvalue())


def end_decoders():
    """Ends the processes that wait for films."""
    while not film_decoder._idle.empty():
        film_decoder._idle.get()


@pytest.mark.parametrize(
    ('program', 'says'),
    [
        (CRASH, r'film.dcm cannot be decoded: its decoder crashed \(exit code -11\)'),
        (HANG, 'take more than 1 s to decode'),
        (GREEDY + film_decoder.SERVE, 'take more than 4,294,967,296 bytes'),
    ],
)
def test_what_a_codec_does_costs_its_film_alone(monkeypatch, program, says):
    values = np.arange(40 * 36, dtype=np.uint8).reshape(40, 36)
    end_decoders()
    with monkeypatch.context() as patched:
        patched.setattr(film_decoder, 'SERVE', program)
        if program == HANG:
            patched.setattr(film_decoder, 'SECONDS', 1.0)
        with pytest.raises(DamagedImageError, match=says):
            open_grey(compressed(values), 'film.dcm')
    assert film_decoder._idle.qsize() == program.startswith(GREEDY)  # one that tells its error serves on
    end_decoders()
    np.testing.assert_array_equal(open_grey(compressed(values), 'film.dcm'), values)
    assert film_decoder._idle.qsize() == 1


def test_too_many_open_files_are_not_the_films_fault(monkeypatch):
    def refuse():
        raise OSError(errno.EMFILE, 'Too many open files')

    end_decoders()
    monkeypatch.setattr(film_decoder, 'Pipe', refuse)
    with pytest.raises(OSError, match='Too many open files'):
        open_grey(compressed(np.zeros((40, 36), np.uint8)), 'film.dcm')


def test_errors_of_a_film_are_told_and_the_decoder_is_used_again():
    before = film_decoder._idle.qsize()
    for _ in range(2):
        with pytest.raises(DamagedImageError, match='cannot be decoded'):
            open_grey(dicom_bytes(np.ones((8, 8), np.uint8), JPEG2000Lossless, b'no film'), 'film.dcm')
    assert film_decoder._idle.qsize() == max(before, 1)
