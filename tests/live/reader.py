"""Somebody who reads a page of the documentation and types what stands there, in a folder of their own.

What stands for the reader's own is replaced: ``db.example`` by a Postgres, ``shop`` by a database on it, Interlock's ports by free
ones, folders of the system by the reader's, job 12 by the newest.  Nothing else is.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from tests.binaries import client
from tests.documented import ROOT, Command
from tests.proxies import Proxy
from tests.servers import Server

PROGRAMS = Path(sys.executable).parent
PROMPT = re.compile(r"^\w*=[>#] ", re.MULTILINE)
SERVES = re.compile(r"\b(interlock|make) serve\b")
BASH = ("bash", "-o", "pipefail", "-c")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Reader:
    """One reader of one page.  ``shop`` is the database's name; ``session`` is what a shell keeps from line to line."""

    def __init__(self, folder: Path, server: Server, shop: str) -> None:
        self.folder = folder
        self.server = server
        self.shop = shop
        self.port, self.admin = free_port(), free_port()
        self.postgres = tempfile.TemporaryDirectory(prefix="reader-")  # pytest's own folder is closed to who runs it
        self.session = ""
        self.stdin = ""
        self.proxy: Proxy | None = None
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("PG", "INTERLOCK_", "GITHUB_", "MAKE", "MFLAGS", "ARGS"))
            },
            "PATH": f"{folder / 'bin'}:{PROGRAMS}:{Path(client('psql')).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "NO_COLOR": "1",
            "INTERLOCK_UPSTREAM": self.url(),
            "INTERLOCK": f"postgresql://postgres@127.0.0.1:{self.port}/{shop}",
        }

    def url(self, user: str = "postgres") -> str:
        return self.server.url(self.shop, user=user)

    def sql(self, *statements: str) -> list[tuple[object, ...]]:
        """Straight to the server."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            for statement in statements[:-1]:
                connection.execute(statement)
            done = connection.execute(statements[-1])
            return done.fetchall() if done.description else []

    def has(self, path: str, text: str) -> Path:
        """A file of the reader's."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def has_program(self, name: str, script: str) -> None:
        self.has(f"bin/{name}", f"#!/bin/sh\n{script}\n").chmod(0o755)

    def here(self, text: str) -> str:
        """What is to be typed here."""
        at = f"127.0.0.1:{self.server.port}"
        text = text.replace("--upstream …", f"--upstream {self.url()}").replace("--mark-sessions …", "--mark-sessions")
        text = re.sub(
            r"postgres(?:ql)?://(?:(\w+)@)?(?:…|[\w.]*\.example)/(\w+)(\?[^\s']*)?", rf"postgresql://\1@{at}/\2", text
        )
        text = text.replace("postgresql://@", "postgresql://postgres@")
        text = text.replace("127.0.0.1:6432/postgres", f"127.0.0.1:{self.port}/{self.shop}")
        text = re.sub(r"(127\.0\.0\.1)?:6432\b", f"127.0.0.1:{self.port}", text).replace("-p 6432", f"-p {self.port}")
        text = re.sub(r"(127\.0\.0\.1|localhost):9127\b", f"127.0.0.1:{self.admin}", text)
        text = re.sub(r"(:\d+)/shop\b", rf"\1/{self.shop}", text).replace("/var/log/interlock/", "")
        if re.search(r"(jobs \w+|JOB) 12\b", text):
            [[number]] = self.sql("SELECT max(id) FROM interlock.jobs")
            text = re.sub(r"(jobs \w+|JOB) 12\b", rf"\1 {number}", text)
        return text

    def types(self, command: Command) -> tuple[int, str]:
        """The exit code of a command, and what it prints on both of its outputs; of one that serves, once it does."""
        text = self.here(command.text)
        if command.begins:
            self.session = re.sub(r"^cd .*\n", "", self.session, flags=re.MULTILINE)
        if text.startswith("make psql"):
            text += f" LISTEN=127.0.0.1:{self.port}"
        if re.match(r"(cd|export) ", text):
            self.session += f"{text.partition(' && ')[0]}\n"
            return 0, ""
        if SERVES.search(text):
            return self.serves(text)
        if text.endswith("--watch"):
            return self._watches(text)
        said = "".join(PROMPT.sub("", self.here(line)) + "\n" for line in command.shown if PROMPT.match(line))
        done = subprocess.run(
            [*BASH, self.session + text],
            cwd=ROOT if text.startswith("make ") else self.folder,
            env=self.environment,
            input=said or self.stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout

    def serves(self, text: str) -> tuple[int, str]:
        """``interlock serve`` or ``make serve``, until the next one or the end."""
        self.stop()
        if text.startswith("make"):
            text += f" LISTEN=127.0.0.1:{self.port} ARGS='--embedded {self.postgres.name}/postgres'"
        elif "--listen" not in text:
            text += f" --listen 127.0.0.1:{self.port}"
        made = text.startswith("make")
        process = subprocess.Popen(
            [*BASH, f"exec {text} 1>&2"],
            cwd=ROOT if made else self.folder,
            env={name: v for name, v in self.environment.items() if not (made and name == "INTERLOCK_UPSTREAM")},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.proxy = Proxy(self.server, self.folder / "audit.jsonl", process)
        self.proxy.wait_ready(120)
        return 0, self.proxy.stderr_text()

    def _watches(self, text: str) -> tuple[int, str]:
        """Its first lines, at a terminal, until it is ended."""
        ours, its = os.openpty()
        process = subprocess.Popen(
            [*BASH, f"exec {text}"], cwd=self.folder, env=self.environment, stdin=its, stdout=its, stderr=its
        )
        os.close(its)
        printed = os.read(ours, 4096)
        process.terminate()  # not SIGINT, which is ignored below a shell's background job
        with contextlib.suppress(OSError):  # the end of a terminal
            while more := os.read(ours, 4096):
                printed += more
        os.close(ours)
        process.wait(20)
        return 0, printed.decode("utf-8", "replace")

    def stop(self) -> None:
        if self.proxy is not None and self.proxy.process.poll() is None:
            self.proxy.stop()
            assert "Traceback" not in self.proxy.stderr_text(), self.proxy.stderr_text()
        self.proxy = None

    def leave(self) -> None:
        self.stop()
        self.postgres.cleanup()


def copied(source: Path, into: Path) -> Path:
    return Path(shutil.copytree(source, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")))


# ---------------------------------------------------------------- what it printed


def normal(text: str) -> list[str]:
    """Lines without what differs from run to run: times, sizes, numbers, hashes, spaces."""
    text = re.sub(r"[0-9a-f]{6}…[0-9a-f]{2}|\b[0-9a-f]{64}\b", "HASH", text)
    text = re.sub(r"\d[\d,]*(\.\d+)?", "0", text)
    text = re.sub(r"\b0 (ms|s|min)\b", "TIME", text)
    text = re.sub(r"\b0 (bytes|kB|MB|GB)\b", "SIZE", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def lacks(shown: tuple[str, ...], printed: str) -> str:
    """The first line of a page that was not printed behind the one before it; empty if all were.  ``…`` is any number of lines."""
    lines = iter(normal(printed))
    for wanted in normal("\n".join(line for line in shown if not PROMPT.match(line))):
        if wanted == "…":
            continue
        head, left_out, tail = wanted.partition("…")
        if not any(line.startswith(head) and line.endswith(tail) if left_out else line == wanted for line in lines):
            return wanted
    return ""
