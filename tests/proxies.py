"""Running ``interlock serve`` as its users do: a process of its own, found by the address that it prints."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.forked import ROOT, Forked, bare_environment, spawn
from tests.servers import Server, database_name

READY = re.compile(r"listening on (\S+):(\d+)")


class Proxy:
    """A running ``interlock serve``; its standard error is kept, line by line."""

    def __init__(self, upstream: Server, audit: Path, process: subprocess.Popen[str] | Forked) -> None:
        self.upstream = upstream
        self.audit = audit
        self.host, self.port = "", 0
        self.process = process
        self._lines: list[str] = []
        self._told = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.append(line)
            if (ready := READY.search(line)) and not self._told.is_set():
                self.host, self.port = ready[1].strip("[]"), int(ready[2])
                self._told.set()
        self._told.set()

    def wait_ready(self, timeout_s: float) -> None:
        """Wait for the address.  Raises ``RuntimeError`` with its stderr if the process ends or says nothing in time."""
        self._told.wait(timeout_s)
        if not self.port:
            self.process.kill()
            self.process.wait()
            self._reader.join()
            raise RuntimeError(f"interlock serve did not start\n{self.stderr_text()}")

    def url(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """The way through the proxy to a database, given by name or by its direct URL."""
        return f"postgresql://{user}@{self.host}:{self.port}/{database_name(database)}"

    def stderr_text(self, *, since: int = 0) -> str:
        """What it has printed, from the ``since``-th line on."""
        return "".join(self._lines[since:])

    def logs(self, words: str, within_s: float = 10) -> bool:
        """Whether stderr has these words by then: a line comes through a pipe, and may do so after the answer that it is about."""
        deadline = time.monotonic() + within_s
        while words not in self.stderr_text():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def records(self) -> list[dict[str, Any]]:
        """What its audit log has by now: whole lines only, for a line that is just being written may be seen by half."""
        lines, _, _ = self.audit.read_bytes().rpartition(b"\n")
        return [json.loads(line) for line in lines.splitlines()]

    @property
    def line_count(self) -> int:
        return len(self._lines)

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def stop(self, *, timeout_s: float = 20) -> int:
        """End it as an operator would (SIGTERM) and return its exit code.  Raises ``RuntimeError`` if it does not end."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"interlock serve did not end on SIGTERM\n{self.stderr_text()}") from None
        finally:
            self._reader.join(timeout_s)

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)


def start(
    upstream: Server,
    folder: Path,
    *arguments: str,
    policy: str | None = None,
    env: dict[str, str] | None = None,
    forked: bool = True,
) -> Proxy:
    """Start ``interlock serve`` before a server; ``policy`` is a built-in name or a file; ``env`` is added to the environment.

    ``forked`` is quick; otherwise it is executed anew, for what is measured (``tests.forked``).  The audit log goes to ``folder``.  ``arguments`` come last, so they win.  Raises ``RuntimeError`` if it does not start.
    """
    audit = folder / "audit.jsonl"
    command = ["serve", "--listen", "127.0.0.1:0", "--upstream", upstream.url()]
    command += ["--audit", str(audit), *(["--policy", policy] if policy else []), *arguments]
    environment = {**bare_environment(), **(env or {})}
    process = spawn(*command, env=environment) if forked else _execute(command, environment)
    proxy = Proxy(upstream, audit, process)
    proxy.wait_ready(20)
    return proxy


def _execute(command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "proxy", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
