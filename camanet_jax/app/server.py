"""The demo's web server: one page, and two addresses that answer with a study or with a message.

Python's own server is enough for one person on one machine, and needs no further package.
"""

import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from camanet_jax.app.demo import MAX_MEGABYTES, Demo
from camanet_jax.reporting.web_page import json_text

LOG = logging.getLogger(__name__)

JSON = 'application/json'
LOCAL_NAMES = ('127.0.0.1', 'localhost', '[::1]')
# The page loads nothing from other sites and sends nothing to them.
POLICY = "default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


class DemoServer(ThreadingHTTPServer):
    """The server; `demo` is set before it serves."""

    daemon_threads = True
    demo: Demo


class RefusedRequest(Exception):
    """A request that is answered with a status and a message."""

    def __init__(self, status: HTTPStatus, message: str):
        super().__init__(message)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: DemoServer
    timeout = 60  # seconds without a byte

    def do_GET(self) -> None:
        """Sends the page."""
        self._answer(lambda: self._send(HTTPStatus.OK, 'text/html; charset=utf-8', self._page()))

    def do_POST(self) -> None:
        """Sends a study, of uploaded files or an example."""
        self._answer(lambda: self._send(HTTPStatus.OK, JSON, json_text(self._study(self._body()))))

    def _page(self) -> str:
        if self.path != '/':
            raise RefusedRequest(HTTPStatus.NOT_FOUND, 'There is nothing here. The page is at /.')
        return self.server.demo.page()

    def _study(self, body: Any) -> dict[str, Any]:
        match self.path, body:
            case '/report', {'files': [*files]} if all(map(is_file, files)):
                return self.server.demo.upload(files)
            case '/example', {'number': int(number)}:
                return self.server.demo.example(number)
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, 'This is not a request that the page makes.')

    def _body(self) -> Any:
        """Reads the posted JSON; other sites' forms are kept out, since browsers let them post text only."""
        if self.headers.get_content_type() != JSON:
            raise RefusedRequest(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f'Expected {JSON}.')
        length = self.headers.get('Content-Length', '')
        if not length.isdecimal():
            raise RefusedRequest(HTTPStatus.LENGTH_REQUIRED, 'Expected a Content-Length.')
        if int(length) > largest_body(self.server.demo.views):
            self.close_connection = True  # the rest is not read
            raise RefusedRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f'A film may have at most {MAX_MEGABYTES} MB.')
        try:
            return json.loads(self.rfile.read(int(length)))
        except ValueError as error:
            raise RefusedRequest(HTTPStatus.BAD_REQUEST, 'Expected JSON.') from error

    def _answer(self, act: Callable[[], None]) -> None:
        """Runs `act`; refusals become messages, and faults of the program are logged without telling the browser."""
        try:
            self._check_host()
            act()
        except RefusedRequest as error:
            self._send_message(error.status, str(error))
        except ValueError as error:  # a film that cannot be read, in a valid request
            self._send_message(HTTPStatus.OK, str(error))
        except ConnectionError:
            LOG.info('A browser went away before its answer.')
        except Exception:
            LOG.exception('A request failed')
            message = "The report could not be written. The program's log says why."
            self._send_message(HTTPStatus.INTERNAL_SERVER_ERROR, message)

    def _check_host(self) -> None:
        """Refuses other host names on a local server, since any site could point its name to this machine."""
        host = self.headers.get('Host', '')
        name = host.rpartition(':')[0] or host
        if self.server.server_address[0] in LOCAL_NAMES and name not in LOCAL_NAMES:
            raise RefusedRequest(HTTPStatus.FORBIDDEN, f'This page is at http://{LOCAL_NAMES[0]}.')

    def _send_message(self, status: HTTPStatus, message: str) -> None:
        self._send(status, JSON, json_text({'error': message}))

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(content)))
        self.send_header('Cache-Control', 'no-store')
        self.send_header('Content-Security-Policy', POLICY)
        self.send_header('X-Content-Type-Options', 'nosniff')
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs requests for developers only."""
        LOG.debug(format, *args)


def is_file(entry: Any) -> bool:
    """Tells whether an entry of a request has the fields of a file."""
    return isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in ('name', 'data'))


def largest_body(views: int) -> int:
    """The size in bytes of a request with the largest films, in base64."""
    return views * (MAX_MEGABYTES * 2**20 * 4 // 3 + 4096)


def open_server(host: str, port: int) -> DemoServer:
    """Starts to listen; raises ValueError where the address is taken or is not this machine's."""
    try:
        return DemoServer((host, port), Handler)
    except OSError as error:
        raise ValueError(
            f'Cannot listen on {host}, port {port}: {error.strerror}. Choose another --port, or 0 for a free one.'
        ) from error
