"""Interlock's own users: names and SCRAM verifiers, from a file as pgbouncer's ``auth_file`` has it.

"deploy" "SCRAM-SHA-256$4096:…$…:…"      as in pg_authid.rolpassword
"ci"     "a password"
; a comment
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from proxy.login.scram import Verifier

_LINE: Final = re.compile(r'\s*"((?:[^"]|"")*)"\s+"((?:[^"]|"")*)"\s*(?:[;#].*)?')
_MD5: Final = re.compile(r"md5[0-9a-f]{32}")


class UsersError(ValueError):
    """The file cannot be used; the text says where and why, and repeats no secret."""


@dataclass(frozen=True, slots=True)
class User:
    """One user; ``password`` only where the file has it in the open."""

    verifier: Verifier
    password: str | None = field(default=None, repr=False)


class Users:
    """The users of a file, as last read."""

    def __init__(self, path: str) -> None:
        """Raises UsersError."""
        self.path = path
        self._users: Mapping[str, User] = _read(path)

    def __len__(self) -> int:
        return len(self._users)

    def reload(self) -> None:
        """Raises UsersError, and then the users are as they were."""
        self._users = _read(self.path)

    def find(self, name: str) -> User | None:
        return self._users.get(name)

    def nobody(self, name: str) -> Verifier:
        """A verifier that no password fits, always the same for a name: strangers learn nothing of who there is."""
        known = "".join(
            f"{user}{one.verifier.stored_key.hex()}" for user, one in self._users.items()
        )  # the same in every worker
        salt = hmac.digest(known.encode(), name.encode("utf-8", "surrogateescape"), "sha256")[:16]
        return Verifier(4096, salt, secrets.token_bytes(32), secrets.token_bytes(32))


def _read(path: str) -> dict[str, User]:
    try:
        if os.stat(path).st_mode & 0o007:
            raise UsersError(f"{path} may be read by everybody; run: chmod o-rwx {path}")
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsersError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsersError(f"{path}: not UTF-8") from None
    users: dict[str, User] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith((";", "#")):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise UsersError(f'{path}:{number}: expected "name" "password or SCRAM verifier"')
        name, secret = (part.replace('""', '"') for part in found.groups())
        if name in users:
            raise UsersError(f'{path}:{number}: "{name}" is there twice')
        try:
            users[name] = _user(secret)
        except ValueError as error:
            raise UsersError(f'{path}:{number}: "{name}": {error}') from None
    if not users:
        raise UsersError(f"{path}: nobody is in it")
    return users


def _user(secret: str) -> User:
    if secret.startswith("SCRAM-SHA-256$"):
        return User(Verifier.parse(secret))
    if _MD5.fullmatch(secret):
        raise ValueError("an md5 hash; Interlock checks SCRAM-SHA-256, so give that verifier or the password")
    if not secret:
        raise ValueError("no password")
    return User(Verifier.of(secret), secret)
