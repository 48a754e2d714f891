"""Real processes of the project, forked by a server that has imported PyTorch and the rest: in 0.1 s, not in 5."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

from wgan import PROJECT

SERVER = Path(__file__).with_name("fork_server.py")


class Server:
    """The fork server, which ends when the tests do."""

    def __init__(self) -> None:
        self.control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.printed = tempfile.TemporaryFile()  # noqa: SIM115, for as long as the server
        # One thread alone may fork. PyTorch is to find as many cores as there are, before a process chooses.
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        environment["OPENBLAS_NUM_THREADS"] = "1"
        with other:
            self.process = subprocess.Popen(
                [sys.executable, SERVER, str(other.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=self.printed,
                stderr=self.printed,
                env=environment,
                pass_fds=[other.fileno()],
            )

    def fork(self, request: list[object], streams: list[int]) -> socket.socket:
        """The socket on which the number of the new process comes, then how it ended."""
        answers, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other, suppress(BrokenPipeError):  # whoever waits for an answer is told
            socket.send_fds(self.control, [json.dumps(request).encode()], [*streams, other.fileno()])
        return answers

    def last_words(self) -> str:
        """Why no answer comes any more."""
        return f"the fork server has ended ({self.process.wait()}): {text_of(self.printed)}"

    def close(self) -> None:
        """Let it end."""
        self.control.close()
        self.process.wait()
        self.printed.close()


@cache
def server() -> Server:
    """Started when the first test needs it."""
    return Server()


def text_of(file: IO[bytes]) -> str:
    """All that was written to a file, whoever wrote it."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()


class Process:
    """A process that runs one of the project's scripts, with what tests use of subprocess.Popen.

    What it prints is kept in memory, of which a full disk and a process that dies leave all.
    """

    def __init__(
        self,
        *arguments: str | Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        terminal: int | None = None,
        merged: bool = False,
        start_new_session: bool = False,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        """With `merged`, standard error goes where standard output goes; both to `terminal`, where one is given."""
        script, *rest = map(str, arguments)
        self.args = [str(PROJECT / script), *rest]
        self.returncode: int | None = None
        self.out, self.err = (os.fdopen(os.memfd_create(name), "w+b") for name in ("stdout", "stderr"))
        out = self.out.fileno()
        streams = [out, out if merged else self.err.fileno()] if terminal is None else [terminal, terminal]
        environment = dict(os.environ if env is None else env)
        request = [self.args, str(cwd), environment, start_new_session, dict(limits or {})]
        with Path(os.devnull).open() as nothing:
            self.answers = server().fork(request, [nothing.fileno(), *streams])
        self.pid = self.answer(None)

    def __del__(self) -> None:
        for file in (self.out, self.err, self.answers):
            file.close()

    def answer(self, timeout: float | None) -> int:
        """The next number that the server tells.

        Raises:
            TimeoutError: if it tells none in these seconds.
        """
        self.answers.settimeout(timeout)
        if not (told := self.answers.recv(32)):
            raise RuntimeError(server().last_words())
        return int(told)

    def poll(self) -> int | None:
        """The exit code; that of a signal is negative; None while it runs."""
        try:
            return self.wait(timeout=0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            try:
                self.returncode = self.answer(timeout)
            except (TimeoutError, BlockingIOError) as error:
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from error
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it has printed when it ends.

        Raises:
            AssertionError: if it does not end in these seconds.
        """
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired as error:
            self.kill()
            self.wait()
            raise AssertionError(f"{error}; it printed:\n{text_of(self.out)}\n{text_of(self.err)}") from None
        return text_of(self.out), text_of(self.err)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
