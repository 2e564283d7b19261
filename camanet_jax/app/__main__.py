"""python -m camanet_jax.app --workdir=runs/demo: a page on this machine that writes reports for films dropped on it.

Not for clinical use. The page is reachable from this machine only, unless --host says otherwise.
"""

import argparse
import logging
import sys
from pathlib import Path

from camanet_jax.run import runtime
from camanet_jax.run.command_line import expand_home, whole_number
from camanet_jax.run.workers import Stopped

LOG = logging.getLogger('camanet_jax.app')  # this module is called __main__

LOCAL, PORT = '127.0.0.1', 8501


def main() -> None:
    """Parses the command line, opens the run, and serves until Ctrl+C."""
    parser = argparse.ArgumentParser(
        prog='python -m camanet_jax.app', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--workdir', type=Path, required=True, help='the folder of a trained run')
    parser.add_argument('--host', default=LOCAL, help='the address to listen on (default: %(default)s)')
    parser.add_argument(
        '--port', type=whole_number(0, 65535), default=PORT, help='0 takes a free one (default: %(default)s)'
    )
    options = parser.parse_args(expand_home(sys.argv[1:]))
    with runtime.errors_for_people():
        serve(options.workdir, options.host, options.port)


def serve(workdir: Path, host: str, port: int) -> None:
    """Opens the best checkpoint of `workdir` and answers requests."""
    from camanet_jax.app.demo import Demo
    from camanet_jax.app.server import open_server
    from camanet_jax.run.workdir import get_config

    runtime.prepare(get_config(str(workdir)), workdir)
    with open_server(host, port) as server:  # a port that is taken is reported before the model is opened
        server.demo = Demo(workdir)
        if host != LOCAL:
            LOG.warning('Listening on %s: other machines can reach this page, which asks for no password.', host)
        LOG.info('Ready: http://%s:%d (Ctrl+C stops). Not for clinical use.', host, server.server_port)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            LOG.info('Stopped.')
            raise Stopped from None


if __name__ == '__main__':
    main()
