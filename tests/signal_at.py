"""python signal_at.py SIGNAL FUNCTION N ARGUMENTS: the command, sent SIGNAL when FUNCTION is called the Nth time.

FUNCTION is a dotted name, e.g. camanet_jax.run.metrics_log.MetricsLog.write; `after:` before it sends the signal when
the call returns; `compiling:` sends it while XLA compiles what the call traced.
"""

import functools
import os
import pkgutil
import signal
import sys
import threading
import time


def main(name: str, function: str, number: str) -> None:
    """Wraps the function."""
    place, function = function.split(':') if ':' in function else ('before', function)
    owner, attribute = pkgutil.resolve_name(function.rpartition('.')[0]), function.rpartition('.')[2]
    original, calls = getattr(owner, attribute), []

    def kill() -> None:
        os.kill(os.getpid(), signal.Signals[name])

    def kill_while_compiling() -> None:
        main_thread = threading.main_thread().ident
        while sys._current_frames()[main_thread].f_code.co_name != 'backend_compile_and_load':
            time.sleep(0.01)
        kill()

    def send(when: str) -> None:
        if len(calls) != int(number):
            return
        if when == place:
            kill()
        elif (when, place) == ('after', 'compiling'):
            threading.Thread(target=kill_while_compiling, daemon=True).start()

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
