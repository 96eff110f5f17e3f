"""TLS over memory, and the TLS settings of the upstream as an SSL context.

TLS runs through ``ssl.MemoryBIO`` and not through ``loop.start_tls``: bytes that have been read already (the ClientHello of a
direct TLS connection) can then still be handed to the TLS engine, and nothing that arrives between the plain-text
answer ``S`` and the handshake can be mistaken for plain text afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from proxy.conninfo import TLS, ConninfoError

TLS_RECORD_BYTES: Final = 8 * 1024
"""The most that goes into one TLS record, as Postgres does: libpq's asynchronous calls may miss the rest of a larger one."""
READ_BYTES: Final = 256 * 1024
_VERSIONS: Final = {
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}


class Session:
    """A TLS session over memory: ciphertext in, plain text out, and the other way round."""

    def __init__(
        self, context: ssl.SSLContext, server_side: bool, server_hostname: str | None, ready: asyncio.Future[None]
    ) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self.session = context.wrap_bio(self._in, self._out, server_side, server_hostname)
        self.ready = ready

    def decrypt(self, data: bytes) -> tuple[bytes, bool]:
        """Take ciphertext in; return the plain text that is whole now, and whether the other side said goodbye."""
        self._in.write(data)
        pieces: list[bytes] = []
        try:
            if not self.ready.done():
                self.session.do_handshake()
                self.ready.set_result(None)
            while piece := self.session.read(READ_BYTES):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            return b"".join(pieces), False
        except ssl.SSLZeroReturnError:
            pass
        return b"".join(pieces), True

    def encrypt(self, data: bytes) -> bytes:
        view = memoryview(data)
        for start in range(0, len(data), TLS_RECORD_BYTES):
            self.session.write(view[start : start + TLS_RECORD_BYTES])
        return self._out.read()

    def outgoing(self) -> bytes:
        """What TLS itself has to say: handshake, alerts, session tickets."""
        return self._out.read()

    def goodbye(self) -> bytes:
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLSyscallError):
            self.session.unwrap()
        return self._out.read()

    def fail(self, error: Exception) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)
            # The caller may have been cancelled; asyncio would then complain that nobody looked at the error.
            self.ready.exception()


def client_context(tls: TLS) -> ssl.SSLContext:
    """The TLS settings as an SSL context.  Raises ConninfoError, naming the option, if a file is missing or does not fit.

    Without verification for prefer and allow: to fail there would only mean to go on in plain text.
    ``require`` with a root certificate verifies like ``verify-ca``, as in libpq.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["postgresql"])
    for option, name, text in (
        ("minimum_version", "ssl_min_protocol_version", tls.min_version),
        ("maximum_version", "ssl_max_protocol_version", tls.max_version),
    ):
        if text:
            if text.lower() not in _VERSIONS:
                raise ConninfoError(f'{name}: "{text}" is not one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3')
            setattr(context, option, _VERSIONS[text.lower()])
    if tls.mode in ("verify-ca", "verify-full") or (tls.mode == "require" and tls.rootcert):
        _trust(context, tls)
    if tls.cert:
        with _file_errors("sslcert", tls.cert):
            _check_key(tls)
            context.load_cert_chain(tls.cert, tls.key, tls.password or "")
    return context


def _trust(context: ssl.SSLContext, tls: TLS) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    if tls.rootcert == "system":
        context.load_default_certs()
    elif tls.rootcert is None:
        raise ConninfoError(
            f"sslmode={tls.mode} needs a root certificate: give sslrootcert=FILE, or sslrootcert=system, "
            f"or put it at {Path.home() / '.postgresql' / 'root.crt'}"
        )
    else:
        with _file_errors("sslrootcert", tls.rootcert):
            context.load_verify_locations(cafile=tls.rootcert)
    if tls.crl or tls.crldir:
        with _file_errors("sslcrl", tls.crl or tls.crldir or ""):
            context.load_verify_locations(cafile=tls.crl, capath=tls.crldir)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if tls.mode == "verify-full":
        if not tls.sni:
            raise ConninfoError("sslsni=0 together with sslmode=verify-full is not supported; leave sslsni out")
        context.check_hostname = True


def _check_key(tls: TLS) -> None:
    """Refuse a private key that others may read, by libpq's rule: 0600, or 0640 if it belongs to root."""
    if not tls.key:
        raise ConninfoError("sslcert is given but no sslkey; give sslkey=FILE")
    with _file_errors("sslkey", tls.key):
        found = os.stat(tls.key)
    if found.st_mode & (0o037 if found.st_uid == 0 else 0o077):
        raise ConninfoError(f"sslkey: {tls.key} may be read by others; run: chmod 600 {tls.key}")


@contextlib.contextmanager
def _file_errors(option: str, path: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise ConninfoError(f"{option}: {path} is not a usable PEM file: {error.reason or error}") from None
    except OSError as error:
        raise ConninfoError(f"{option}: {path}: {error.strerror or error}") from None
