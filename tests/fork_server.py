"""A server that forks processes of Python in which PyTorch, Lightning, Hydra and the package are imported already.

Each is a real process: its own number, signals, standard streams, folder, environment, limits and exit code. At its end
threads are joined, and what is registered for the exit is done. The memory that it shares with others is left to the
system: Python would free it piece by piece. processes.py has the other side of the socket.
"""

import atexit
import gc
import importlib
import io
import json
import os
import pkgutil
import resource
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

THREADS = "OMP_NUM_THREADS"
LARGEST = 2**20  # bytes of a request
STREAMS = 3

exit_code: int | None = None  # of a script that has ended; None where Python is to end as it does


class Request(NamedTuple):
    """What a process is to be."""

    arguments: list[str]  # a script's path and what follows it
    folder: str
    environment: dict[str, str]
    new_session: bool
    limits: dict[str, int]  # of resources, by their names in the module resource


def import_all() -> None:
    """What the entries import sooner or later."""
    import hydra.core.plugins
    import pytorch_lightning  # noqa: F401
    import tensorboard.compat.proto.event_pb2  # noqa: F401
    import torch_fidelity.metric_prc  # noqa: F401

    import wgan

    for module in pkgutil.walk_packages(wgan.__path__, "wgan."):
        importlib.import_module(module.name)
    hydra.core.plugins.Plugins.instance()  # which imports all there are


def fill_caches() -> None:
    """What a process keeps that has composed a configuration, told its code and drawn a plot."""
    import matplotlib.figure
    from hydra import compose, initialize_config_dir

    from wgan import PROJECT
    from wgan.run.code import describe_code

    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        compose("train", ["experiment=smoke", "~callbacks.quality", "+model.critic.channels=8"])
    describe_code()
    figure = matplotlib.figure.Figure(layout="constrained")
    figure.subplots().plot([1, 2], label="1")
    figure.legend()
    figure.savefig(io.BytesIO())


def prepare_figures() -> None:
    """What each run with figures of quality begins with, in half of a short one's time: features of 7,293 sevens.

    They are those of one thread; with more, which the server cannot have, they would round otherwise.
    """
    import torch

    from wgan.data.mnist import MNISTDigits
    from wgan.quality.figures import find_reference

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    len(find_reference(MNISTDigits(root="data", digit=7, batch_size=64, n_critic=5, seed=0)).floor)
    torch.set_num_threads(threads)


def check_fork_is_safe() -> None:
    """Raises RuntimeError if there are threads: in a fork they are gone, and what they hold is held for ever."""
    names = [Path(path, "comm").read_text().strip() for path in Path("/proc/self/task").iterdir()]
    if len(names) > 1 or threading.active_count() > 1:
        raise RuntimeError(f"the fork server has threads: {names}, {threading.enumerate()}")


def serve(control: socket.socket) -> Request:
    """Fork a process for each request, and tell its number, then how it ends; returns in those processes only."""
    ready = selectors.DefaultSelector()
    ready.register(control, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.fileobj is control:
                message, descriptors, *_ = socket.recv_fds(control, LARGEST, STREAMS + 1)
                if not message:
                    sys.exit()
                *streams, number = descriptors
                check_fork_is_safe()
                begun, beginning = os.pipe()
                pid = os.fork()
                if pid == 0:
                    forget(ready, control)
                    request = Request(*json.loads(message))
                    become(request, streams)
                    for descriptor in (number, begun, beginning):
                        os.close(descriptor)
                    return request
                for descriptor in (*streams, beginning):
                    os.close(descriptor)
                os.read(begun, 1)  # until the process is what it is to be, or has died
                os.close(begun)
                answers = socket.socket(fileno=number)
                tell(answers, pid)
                ready.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, answers))
            else:
                pid, answers = key.data
                ready.unregister(key.fileobj)
                os.close(key.fd)
                tell(answers, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                answers.close()


def forget(ready: selectors.BaseSelector, control: socket.socket) -> None:
    """Close what is the server's."""
    for key in ready.get_map().values():
        if key.data:
            os.close(key.fd)
            key.data[1].close()
    ready.close()
    control.close()


def tell(answers: socket.socket, number: int) -> None:
    """To whoever waits for the process, if anyone still does."""
    try:
        answers.send(str(number).encode())
    except OSError:
        return


def become(request: Request, streams: list[int]) -> None:
    """Let this process be the one that is asked for."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=stream is sys.stderr or stream.isatty())  # type: ignore[union-attr]
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    if request.new_session:
        os.setsid()
    for name, limit in request.limits.items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    renew_what_imports_read()


def renew_what_imports_read() -> None:
    """What modules took from the environment when they were imported, and streams that a fork would repeat."""
    import numpy as np
    import torch

    from wgan.quality.figures import forget_reference

    np.random.seed()
    tempfile.tempdir = None
    if threads := os.environ.get(THREADS):
        torch.set_num_threads(int(threads))
    if threads != "1":
        forget_reference()


def run(request: Request) -> None:
    """As `python SCRIPT ARGUMENTS`."""
    global exit_code
    script = Path(request.arguments[0])
    sys.argv[:] = request.arguments
    given = os.environ.get("PYTHONPATH")
    sys.path[:] = [str(script.parent), *(given.split(os.pathsep) if given else ()), *sys.path]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        exit_code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    except Exception:
        exit_code = 1
        raise
    exit_code = 0


def end_at_once() -> None:
    """The last that is done at the exit, for it is registered first."""
    if exit_code is None:
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # Python tells, with an exit code of its own
        return
    os._exit(exit_code)


def main() -> None:
    atexit.register(end_at_once)
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the tests, and they the server
    import_all()
    fill_caches()
    prepare_figures()
    path = os.environ.get("PYTHONPATH")
    del sys.path[: 1 + len(path.split(os.pathsep) if path else ())]  # each process has its own
    gc.collect()
    gc.freeze()  # else collections in the forked processes would copy the memory that they share
    run(serve(control))


if __name__ == "__main__":
    main()
