"""The TLS that clients meet: certificate, mode, and their replacement while connections live on.

Source: Postgres docs, "Secure TCP/IP Connections with SSL"; the modes are libpq's, seen from the server.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

Mode = Literal["disable", "allow", "require", "verify-ca", "verify-full"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
MIN_VERSIONS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class FrontError(ValueError):
    """A file cannot be used, or options contradict each other; the text names the option and says why."""


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """Paths as given.  ``verify-…`` wants certificates of clients, and ``verify-full`` their names."""

    mode: Mode
    cert: str
    key: str | None = None
    client_ca: str | None = None
    min_version: str = "TLSv1.2"


class Front:
    """TLS towards clients.  ``context`` is for the next connection; those that are there keep theirs."""

    def __init__(self, settings: FrontSettings) -> None:
        """Raises FrontError."""
        if settings.mode in ("verify-ca", "verify-full") and not settings.client_ca:
            raise FrontError(f"--tls-mode {settings.mode} needs --tls-client-ca")
        self.mode = settings.mode
        self._settings = settings
        self.context, self.certificate = _load(settings)
        self._web: list[ssl.SSLContext] = []

    def for_web(self) -> ssl.SSLContext:
        """The certificate for HTTPS, which asks nobody for one.  ``reload`` renews it in place: a web server keeps its context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = MIN_VERSIONS[self._settings.min_version]
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._settings.cert, self._settings.key)
        self._web.append(context)
        return context

    def reload(self) -> None:
        """Read the files again.  Raises FrontError, and then all is as it was."""
        self.context, self.certificate = _load(self._settings)
        for context in self._web:  # of files that have just been found good
            context.load_cert_chain(self._settings.cert, self._settings.key)

    def refuses(self, tls: ssl.SSLObject | None, user: str, *, local: bool) -> str:
        """Why a client that comes like this may not log in; empty if it may.  ``local``: by a Unix socket, where no TLS is."""
        if local or self.mode in ("disable", "allow"):
            return ""
        if tls is None:
            return f"TLS is required here (tls-mode {self.mode}), and this connection is not encrypted"
        if self.mode == "verify-full" and (name := common_name(tls)) != user:
            return f'certificate authentication failed for user "{user}": the client certificate is for "{name}"'
        return ""


def common_name(tls: ssl.SSLObject) -> str:
    """The CN of the client's certificate, which has been verified; empty without one."""
    found: dict[str, Any] = tls.getpeercert() or {}
    names = [value for part in found.get("subject", ()) for key, value in part if key == "commonName"]
    return str(names[0]) if len(names) == 1 else ""


def _load(settings: FrontSettings) -> tuple[ssl.SSLContext, bytes]:
    """A context, and the server's certificate in DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = MIN_VERSIONS[settings.min_version]
    context.set_alpn_protocols(["postgresql"])
    try:
        with open(settings.cert, encoding="ascii", errors="replace") as file:
            text = file.read()
        # A password is never asked for: a server that waits at a terminal is down.
        context.load_cert_chain(settings.cert, settings.key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        where = f"--tls-cert {settings.cert}" + (f", --tls-key {settings.key}" if settings.key else "")
        raise FrontError(f"{where}: {_reason(error)}") from None
    if settings.client_ca:
        try:
            context.load_verify_locations(cafile=settings.client_ca)
        except (OSError, ValueError) as error:
            raise FrontError(f"--tls-client-ca {settings.client_ca}: {_reason(error)}") from None
        verifies = settings.mode in ("verify-ca", "verify-full")
        context.verify_mode = ssl.CERT_REQUIRED if verifies else ssl.CERT_OPTIONAL
    first = text[text.index(_BEGIN) : text.index(_END) + len(_END)]
    return context, ssl.PEM_cert_to_DER_cert(first)


def _no_password() -> str:
    raise ValueError("the private key is encrypted; give one without a password, readable by Interlock alone")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        reasons = {"KEY_VALUES_MISMATCH": "the private key does not belong to the certificate"}
        reason = error.reason or ""
        return reasons.get(reason, f"not a usable PEM file: {reason.lower().replace('_', ' ') or error}")
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
