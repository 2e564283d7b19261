"""python signal_at.py SIGNAL FUNCTION N ARGUMENTS: the command, sent SIGNAL when FUNCTION is called the Nth time.

FUNCTION is a dotted name, e.g. camanet_jax.run.metrics_log.MetricsLog.write; `after:` before it sends the signal when
the call returns.
"""

import functools
import os
import pkgutil
import signal
import sys


def main(name: str, function: str, number: str) -> None:
    """Wraps the function."""
    place, function = ('after', function[6:]) if function.startswith('after:') else ('before', function)
    owner, attribute = pkgutil.resolve_name(function.rpartition('.')[0]), function.rpartition('.')[2]
    original, calls = getattr(owner, attribute), []

    def send(when: str) -> None:
        if when == place and len(calls) == int(number):
            os.kill(os.getpid(), signal.Signals[name])

    @functools.wraps(original)
    def wrapped(*args, **kwargs):
        calls.append(1)
        send('before')
        result = original(*args, **kwargs)
        send('after')
        return result

    setattr(owner, attribute, wrapped)


if __name__ == '__main__':
    main(*sys.argv[1:4])
    sys.argv[1:4] = []
    from camanet_jax.main import run

    run()
