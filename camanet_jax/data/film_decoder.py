"""Compressed DICOM films decoded in processes of their own, with limits of memory and time.

Codecs are C programs that read untrusted files: one that crashes, or takes memory or time without end, costs only its
film. A process serves one film after the other; it answers with b'F', width and height and the grey levels, or
with b'E' and the error's words.
"""

import os
import queue
import resource
import struct
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from PIL import Image

from camanet_jax.run import workers

MEMORY = 4 * 2**30  # bytes of address space; a film of the largest size that is read takes 2.7e9
SECONDS = 120.0  # for a film
SERVE = 'from camanet_jax.data.film_decoder import serve; serve()'
_FILM, _ERROR, _SIZE = b'F', b'E', struct.Struct('<II')

_idle: queue.SimpleQueue['Decoder'] = queue.SimpleQueue()  # decoders without a film, for any thread


def decode(content: bytes) -> Image.Image:
    """Decodes a DICOM file to an 8-bit grey film, as `image_files.decode_dicom` does.

    Raises:
      ValueError: it cannot be decoded, or only with more memory or time than there is for a film.
    """
    try:
        decoder = _idle.get_nowait()
    except queue.Empty:
        decoder = Decoder()
    answer = decoder.answer(content)
    _idle.put(decoder)
    if answer[:1] == _ERROR:
        raise ValueError(answer[1:].decode())
    return Image.frombytes('L', _SIZE.unpack_from(answer, 1), answer[1 + _SIZE.size :])


class Decoder:
    """A process that decodes; it ends with this one, or with the film that it cannot handle."""

    _process: subprocess.Popen | None = None  # where it cannot be started

    def __init__(self):
        self._connection, other = Pipe()
        package = str(Path(__file__).parents[2])
        search = os.pathsep.join(filter(None, [package, os.environ.get('PYTHONPATH')]))
        with workers.out_of_reach():
            self._process = subprocess.Popen(
                [sys.executable, '-c', SERVE, str(other.fileno())],
                pass_fds=[other.fileno()],
                env=os.environ | {'PYTHONPATH': search, 'OPENBLAS_NUM_THREADS': '1'},
                stderr=subprocess.DEVNULL,
            )
        other.close()

    def __del__(self):
        if self._process:
            self._process.kill()
            self._process.wait()

    def answer(self, content: bytes) -> bytes:
        """Sends a file and awaits its film, or why there is none."""
        try:
            self._connection.send_bytes(content)
            if not self._connection.poll(SECONDS):
                raise ValueError(f'its pixels take more than {SECONDS:.0f} s to decode')
            return self._connection.recv_bytes()
        except (EOFError, OSError):
            code = self._process.wait()
            raise ValueError(f'its decoder crashed (exit code {code}); the file is damaged, or made to do so') from None


def serve() -> None:
    """Decodes the films that come in; the last argument of the command is the connection's number."""
    from camanet_jax.data.image_files import decode_dicom

    workers.begin(0, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    connection = Connection(int(sys.argv[-1]))
    while True:
        try:
            content = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(_answer(content, decode_dicom))


def _answer(content: bytes, decode_dicom) -> bytes:
    try:
        film = decode_dicom(content)
    except MemoryError:
        return _ERROR + f'its pixels take more than {MEMORY:,} bytes to decode'.encode()
    except Exception as error:  # codecs raise many kinds
        return _ERROR + (str(error) or type(error).__name__).encode()
    return _FILM + _SIZE.pack(*film.size) + film.tobytes()
