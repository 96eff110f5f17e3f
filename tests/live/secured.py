"""Servers with TLS that ask for passwords and certificates, one of each version for all tests of a process."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

from tests import servers
from tests.servers import Server

CERTIFICATES = Path(__file__).parent.parent / "certificates"
CA = CERTIFICATES / "ca.crt"
FRONT = ("--tls-cert", str(CERTIFICATES / "elsewhere.crt"), "--tls-key", str(CERTIFICATES / "elsewhere.key"))
"""A certificate for clients that is not the server's own."""
SAME = ("--tls-cert", str(CERTIFICATES / "server.crt"), "--tls-key", str(CERTIFICATES / "server.key"))
"""The server's own."""
PASSWORD = "correct horse"

_HBA = """
host all scram 127.0.0.1/32 scram-sha-256
host all other 127.0.0.1/32 scram-sha-256
host all plain 127.0.0.1/32 password
host all md5 127.0.0.1/32 md5
hostssl all postgres 127.0.0.1/32 cert
"""


_SETTINGS = {"ssl": "on", "ssl_ca_file": "root.crt", "password_encryption": "scram-sha-256"}


@functools.cache
def secured(version: int) -> Server:
    """With TLS, whose certificate is for localhost; roles ``scram``, ``plain`` and ``md5`` with ``PASSWORD``, ``postgres`` by certificate."""
    files = {
        "server.crt": (CERTIFICATES / "server.crt").read_bytes(),
        "server.key": (CERTIFICATES / "server.key").read_bytes(),
        "root.crt": CA.read_bytes(),
    }
    server = servers.start(version, settings=_SETTINGS, hba=_HBA, files=files)
    with server.connect() as session:
        for name, encryption in (
            ("scram", "scram-sha-256"),
            ("other", "scram-sha-256"),
            ("plain", "scram-sha-256"),
            ("md5", "md5"),
        ):
            session.execute(f"SET password_encryption = '{encryption}'")
            session.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        session.execute("GRANT ALL ON DATABASE postgres TO scram")
    return server


def verifier(server: Server, user: str) -> str:
    with server.connect() as session:
        row = session.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (user,)).fetchone()
    assert row is not None
    return str(row[0])


def private(path: Path, source: Path | str | bytes) -> str:
    """A file that its owner alone may read, with the content of another or with a text."""
    if isinstance(source, Path):
        shutil.copy(source, path)
    else:
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
    path.chmod(0o600)
    return str(path)
