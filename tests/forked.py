"""``python -m proxy …`` without the half second of imports: forked off a process that has done them once.

A suite starts hundreds of them.  Each is a process of its own with its own arguments, environment, folder, session and
standard streams, as ``subprocess`` would give it; only ``sys.executable`` never ran for it.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NoReturn, TextIO

ROOT = Path(__file__).parent.parent


class Forked:
    """A running ``interlock …``, with the part of ``subprocess.Popen`` that tests use; its streams are what ``spawn`` was given."""

    def __init__(self, command: Sequence[str], pid: int, ended: int, stderr: TextIO | None) -> None:
        self.args = list(command)
        self.pid = pid
        self.stderr = stderr
        self.returncode: int | None = None
        self._ended = ended  # a pipe that gives the exit code, when there is one

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative for a signal.  Raises ``subprocess.TimeoutExpired``."""
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._ended, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
            told = os.read(self._ended, 20)
            os.close(self._ended)
            assert told, "the process that forks for the tests is gone"
            self.returncode = int(told)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended a moment ago
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def bare_environment() -> dict[str, str]:
    """Ours without what libpq or Interlock would read in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "INTERLOCK_"))}


def spawn(
    *command: str,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    stdout: IO[str] | None = None,
    stderr: IO[str] | None = None,
) -> Forked:
    """Start ``interlock COMMAND``, by default with ``bare_environment``.

    Without ``stdout`` that goes to /dev/null, without ``stderr`` to a pipe: ``Forked.stderr``.
    """
    with contextlib.ExitStack() as given:
        null = given.enter_context(Path(os.devnull).open("r+"))
        reading: TextIO | None = None
        if stderr is None:
            read_end, write_end = os.pipe()
            reading = open(read_end, encoding="utf-8")  # noqa: SIM115 - closed by whom it is given to, like Popen.stderr
            stderr = given.enter_context(open(write_end, "w", encoding="utf-8"))
        ended, end = os.pipe()
        given.callback(os.close, end)
        order = json.dumps([command, dict(bare_environment() if env is None else env), str(cwd)]).encode()
        descriptors = [null.fileno(), (stdout or null).fileno(), stderr.fileno(), end]
        parent = _parent()
        socket.send_fds(parent, [len(order).to_bytes(4)], descriptors)
        parent.sendall(order)
        pid = int.from_bytes(parent.recv(4))
    assert pid, "the process that forks for the tests is gone"
    return Forked(command, pid, ended, reading)


def run(
    *command: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``interlock COMMAND`` to its end.  Raises ``subprocess.TimeoutExpired``, having killed it."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = spawn(*command, env=env, cwd=cwd, stdout=stdout, stderr=stderr)
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(process.args, code, stdout.read(), stderr.read())


@functools.cache
def _parent() -> socket.socket:
    """The way to the process that forks, started at the first need; it ends with this one."""
    here, there = socket.socketpair()
    with there:
        subprocess.Popen(
            [sys.executable, "-m", "tests.forked", str(there.fileno())], cwd=ROOT, pass_fds=[there.fileno()]
        )
    return here


def _serve(orders: socket.socket) -> tuple[bytes, list[int]] | None:
    """Fork for each order; tell each child's pid at once, and its exit code through its pipe when it has ended.

    Returns None when there is nobody to ask any more, and in each child the order and its descriptors.
    """
    import proxy

    for module in pkgutil.walk_packages(proxy.__path__, "proxy."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    importlib.import_module("uvloop")
    gc.collect()
    gc.freeze()  # a collection in a child would copy all of this
    ends: dict[int, tuple[int, int]] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        while True:
            for key, _events in selector.select():
                if key.fileobj is orders:
                    head, descriptors, _flags, _address = socket.recv_fds(orders, 4, 4)
                    if not head:
                        return None
                    text = b""
                    while len(text) < int.from_bytes(head):
                        text += orders.recv(int.from_bytes(head) - len(text))
                    pid = os.fork()
                    if not pid:
                        return text, descriptors
                    for descriptor in descriptors[:3]:
                        os.close(descriptor)
                    watch = os.pidfd_open(pid)
                    ends[watch] = (pid, descriptors[3])
                    selector.register(watch, selectors.EVENT_READ)
                    orders.sendall(pid.to_bytes(4))
                else:
                    selector.unregister(key.fd)
                    pid, end = ends.pop(key.fd)
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    with contextlib.suppress(BrokenPipeError):  # nobody asks any more
                        os.write(end, str(code).encode())
                    os.close(end)
                    os.close(key.fd)


def _become(order: bytes, descriptors: list[int]) -> NoReturn:
    """Be ``python -m proxy COMMAND`` from here on."""
    command, environment, folder = json.loads(order)
    os.setsid()
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.argv = ["interlock", *command]
    from proxy.cli import main

    code = 1
    try:
        main(prog_name="interlock", args=command)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking the interpreter down would copy all that it shares with its parent, to free it


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests; this ends with them
    orders = socket.socket(fileno=int(sys.argv[1]))
    if begun := _serve(orders):
        orders.detach()  # closed with all others
        _become(*begun)
