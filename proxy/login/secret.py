"""Where the password comes from with which Interlock itself logs in at the upstream; nothing of it is ever logged.

A command's output is a short-lived token (a cloud's IAM token, a vault's lease): it is kept for a while, and forgotten at
once when the server refuses it.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.conninfo import Upstream

COMMAND_S: Final = 30.0
"""How long the command may take."""
_LARGEST: Final = 64 * 1024


class SecretError(Exception):
    """No password can be had; the text says why and holds none."""


@dataclass(slots=True)
class _Kept:
    password: str
    until: float


class Secret:
    """The upstream's password: of a command, of a file, or as the upstream's URL, PGPASSWORD or password file gave it."""

    def __init__(
        self, upstream: Upstream, *, file: str | None = None, command: str | None = None, ttl_s: float = 600.0
    ) -> None:
        """Raises SecretError for options that contradict each other or a command that cannot be read."""
        if file and command:
            raise SecretError("--upstream-password-file and --upstream-password-command exclude each other")
        try:
            self._command = shlex.split(command) if command else []
        except ValueError as error:
            raise SecretError(f"--upstream-password-command cannot be read: {error}".lower()) from None
        self._upstream = upstream
        self._file = file
        self._ttl_s = ttl_s
        self._kept: dict[str, _Kept] = {}
        self._asking: dict[str, asyncio.Lock] = {}
        if file:
            _read(file)

    @property
    def there(self) -> bool:
        """Whether Interlock has a password of its own."""
        return bool(self._command or self._file or self._upstream.password is not None)

    async def password(self, user: str, database: str, host: str, port: int) -> str:
        """The password for a login.  Raises SecretError.

        The command is run once at a time for each user, with the login in ``INTERLOCK_USER``, ``INTERLOCK_DATABASE``,
        ``INTERLOCK_HOST`` and ``INTERLOCK_PORT``.
        """
        if self._file:
            return _read(self._file)
        if not self._command:
            return self._upstream.password or ""
        key = f"{user}\0{host}\0{port}"
        async with self._asking.setdefault(key, asyncio.Lock()):
            kept = self._kept.get(key)
            if kept is None or time.monotonic() >= kept.until:
                login = {"USER": user, "DATABASE": database, "HOST": host, "PORT": str(port)}
                kept = _Kept(await self._run(login), time.monotonic() + self._ttl_s)
                self._kept[key] = kept
            return kept.password

    def refused(self, password: str) -> bool:
        """The server did not take it: forget it.  Returns whether it was a command's, which may give another one now."""
        self._kept = {key: kept for key, kept in self._kept.items() if kept.password != password}
        return bool(self._command)

    async def _run(self, login: dict[str, str]) -> str:
        environment = {**os.environ, **{f"INTERLOCK_{name}": value for name, value in login.items()}}
        name = self._command[0]
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # what a failed one says may hold what it was given
                env=environment,
            )
        except OSError as error:
            raise SecretError(f"{name}: {error.strerror}") from None
        try:
            async with asyncio.timeout(COMMAND_S):
                said, _ = await process.communicate()
        except TimeoutError:
            raise SecretError(f"{name}: said nothing within {COMMAND_S:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise SecretError(f"{name}: ended with exit code {process.returncode}")
        return _first_line(said, name)


def _read(path: str) -> str:
    try:
        if os.stat(path).st_mode & 0o007:
            raise SecretError(f"{path} may be read by everybody; run: chmod o-rwx {path}")
        return _first_line(Path(path).read_bytes(), path)
    except OSError as error:
        raise SecretError(f"{path}: {error.strerror}") from None


def _first_line(said: bytes, where: str) -> str:
    lines = said.splitlines()
    try:
        password = lines[0].decode() if lines else ""
    except UnicodeDecodeError:
        raise SecretError(f"{where}: gave no UTF-8") from None
    if not password or len(said) > _LARGEST or "\0" in password:
        raise SecretError(f"{where}: gave no password")
    return password
