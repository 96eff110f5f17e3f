"""The upstream as libpq understands it: URL or keywords, services, ``PG…`` variables, several hosts, TLS.

libpq itself does the reading (by psycopg); only the outcome is laid out here.
Source: PostgreSQL docs, libpq, Database Connection Control Functions.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, cast, get_args
from urllib.parse import quote, urlencode

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

SSLMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
SessionAttrs = Literal["any", "read-write", "read-only", "primary", "standby", "prefer-standby"]

CONNECT_TIMEOUT_S: Final = 10.0
"""For one address when ``connect_timeout`` is not given; libpq would wait without end, a proxy's client must not."""
_MIN_CONNECT_TIMEOUT_S: Final = 2.0
_SOCKET_DIRECTORIES: Final = ("/var/run/postgresql", "/tmp")


class ConninfoError(ValueError):
    """The upstream cannot be understood; the text names the option and what is wrong, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Address:
    """One server: a host name, an IP address, or the directory of a Unix socket (starting with / or @)."""

    host: str
    port: int
    hostaddr: str | None = None
    """The IP address to connect to, where ``host`` is but the name in the certificate."""

    @property
    def is_unix(self) -> bool:
        return self.hostaddr is None and self.host.startswith(("/", "@"))

    @property
    def socket_path(self) -> str:
        """The path of the Unix socket, for ``is_unix``; @ stands for the NUL of the abstract namespace."""
        return f"{self.host}/.s.PGSQL.{self.port}"

    def __str__(self) -> str:
        if self.is_unix:
            return self.socket_path
        host = self.host or self.hostaddr or ""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TLS:
    """How the way to the upstream is encrypted and who it must belong to; paths are as libpq resolves them."""

    mode: SSLMode = "prefer"
    direct: bool = False
    """TLS from the first byte (``sslnegotiation=direct``, Postgres 17 and later)."""
    rootcert: str | None = None
    """A file, or ``system`` for the operating system's store."""
    cert: str | None = None
    key: str | None = None
    password: str | None = field(default=None, repr=False)
    crl: str | None = None
    crldir: str | None = None
    min_version: str | None = None
    max_version: str | None = None
    sni: bool = True


@dataclass(frozen=True, slots=True)
class Keepalive:
    """TCP keepalives of the upstream connection; None leaves the operating system's value."""

    on: bool = True
    idle_s: int | None = None
    interval_s: int | None = None
    count: int | None = None
    user_timeout_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the real servers are, in the order to try them, and who Interlock's own connections log in as."""

    addresses: tuple[Address, ...]
    tls: TLS
    keepalive: Keepalive
    connect_timeout_s: float
    target_session_attrs: SessionAttrs
    load_balance: bool
    user: str
    password: str | None = field(repr=False)
    dbname: str
    has_credentials: bool
    """A user was named (not merely taken from the operating system), so own connections can be tried."""
    requirepeer: str | None
    text: str = field(repr=False)
    """As given, password and all; for ``conninfo``."""

    def conninfo(self, address: Address | None = None, **options: str | int) -> str:
        """A connection string for psycopg: the whole upstream, or one of its addresses; options override."""
        if address is None:
            return make_conninfo(self.text, **options)
        return make_conninfo(
            self.text,
            **{
                "host": address.host,
                "hostaddr": address.hostaddr or "",
                "port": address.port,
                "target_session_attrs": "any",
                "load_balance_hosts": "disable",
                "connect_timeout": max(int(self.connect_timeout_s), 2),
                **options,
            },
        )

    @property
    def gives_password(self) -> bool:
        """Whether the text itself holds a password, its own or its key's."""
        options = conninfo_to_dict(self.text)
        return bool(options.get("password") or options.get("sslpassword"))

    @property
    def redacted(self) -> str:
        """The upstream as a URL for logs: no password and no key's password, ever."""
        options = {
            "sslmode": self.tls.mode if self.tls.mode != "prefer" else "",
            "sslnegotiation": "direct" if self.tls.direct else "",
            "target_session_attrs": self.target_session_attrs if self.target_session_attrs != "any" else "",
            "load_balance_hosts": "random" if self.load_balance else "",
        }
        hosts = ",".join(
            f"{quote(a.host, safe='')}:{a.port}" if a.host.startswith(("/", "@")) else str(a) for a in self.addresses
        )
        query = urlencode({name: value for name, value in options.items() if value})
        user = f"{quote(self.user, safe='')}@" if self.has_credentials else ""
        return f"postgresql://{user}{hosts}/{quote(self.dbname, safe='')}" + (f"?{query}" if query else "")


def parse(text: str) -> Upstream:
    """Read a URL or a keyword/value string, as libpq would with the environment of this process.

    Reads the service file and password file that libpq would read; connects nowhere.  Raises ConninfoError.
    """
    options, password = _resolve(text)
    if options.get("gssencmode") == "require":
        raise ConninfoError(
            "gssencmode=require: Interlock does not speak GSSAPI encryption to the upstream; use sslmode instead"
        )
    explicit = {name for name, value in conninfo_to_dict(text).items() if value}
    named = "user" in explicit or "PGUSER" in os.environ or options["user"] != _os_user()
    return Upstream(
        addresses=_addresses(options),
        tls=_tls(options),
        keepalive=_keepalive(options),
        connect_timeout_s=_connect_timeout(options),
        target_session_attrs=cast(SessionAttrs, _one_of(options, "target_session_attrs", get_args(SessionAttrs))),
        load_balance=_one_of(options, "load_balance_hosts", ("disable", "random")) == "random",
        user=options.get("user", ""),
        password=password,
        dbname=options.get("dbname") or options.get("user", ""),
        has_credentials=named,
        requirepeer=options.get("requirepeer") or None,
        text=text,
    )


def _resolve(text: str) -> tuple[dict[str, str], str | None]:
    """Every option with its value, and the password of the first host, from text, environment, service and password file.

    PQconnectStart reads all of it and checks it; an option that it refuses at the very end, after all the others, keeps it
    from connecting.  (PQconninfoParse alone knows nothing of services and the environment.)
    """
    stopper, refusal = ("scram_client_key", "invalid SCRAM client key")
    if pq.version() < 180000:
        stopper, refusal = ("channel_binding", "invalid channel_binding value")
    try:
        conn = pq.PGconn.connect_start(make_conninfo(text, **{stopper: "-"}).encode())
    except psycopg.Error as error:
        raise ConninfoError(_plain(str(error), text)) from None
    message = conn.error_message.decode(errors="replace").strip()
    options = {o.keyword.decode(): o.val.decode(errors="replace") for o in conn.info if o.val is not None}
    password = conn.password.decode(errors="replace") or None
    conn.finish()
    if not message.startswith(refusal):
        raise ConninfoError(f"the upstream cannot be used: {message}")
    return options, password


def _plain(message: str, text: str) -> str:
    """libpq's complaint about the form of the text, in words that help and repeat nothing that may be a password."""
    scheme = text.split("://")[0].lower() if "://" in text else ""
    if scheme.startswith("jdbc:"):
        return "the upstream is a JDBC URL; leave out jdbc: and write user and password as postgresql://user:password@host/db"
    if scheme and scheme not in ("postgresql", "postgres"):
        return f"the upstream URL starts with {scheme}://; write postgresql:// instead"
    if message.startswith("invalid URI query parameter:") or message.startswith("invalid connection option"):
        name = message.split('"')[1]
        return f'the upstream has no option "{name}": libpq does not know it; leave it out here and give it to the client instead'
    if "percent-encoded" in message:
        return "a % in the upstream URL is not followed by two hexadecimal digits; write a literal % as %25"
    if message.startswith("missing ") and "in connection info string" in message:
        return "the upstream is neither a URL (postgresql://user@host:5432/db) nor keywords (host=… port=… dbname=…)"
    return "the upstream cannot be read: a quote, a bracket or another special character in it is out of place"


def _addresses(options: dict[str, str]) -> tuple[Address, ...]:
    """One address for each host or hostaddr; libpq has checked already that there are as many ports, or one."""
    hostaddrs = _listed(options, "hostaddr")
    hosts = _listed(options, "host") or [""] * max(len(hostaddrs), 1)
    hostaddrs = hostaddrs or [""] * len(hosts)
    ports = _listed(options, "port") or [""]
    if len(ports) == 1:
        ports *= len(hosts)
    return tuple(
        Address(host if host or hostaddr else _socket_directory(), _port(port), _ip(hostaddr))
        for host, hostaddr, port in zip(hosts, hostaddrs, ports, strict=True)
    )


def _listed(options: dict[str, str], name: str) -> list[str]:
    value = options.get(name, "")
    return [part.strip() for part in value.split(",")] if value else []


def _port(text: str) -> int:
    if not text:
        return 5432
    if not re.fullmatch(r"[0-9]+", text) or not 1 <= int(text) <= 65535:
        raise ConninfoError(f'port: "{text}" is not a port number (1 to 65535)')
    return int(text)


def _ip(text: str) -> str | None:
    if not text:
        return None
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ConninfoError(f'hostaddr: "{text}" is not an IP address; host names belong into host') from None
    return text


def _socket_directory() -> str:
    return next((d for d in _SOCKET_DIRECTORIES if Path(d).is_dir()), _SOCKET_DIRECTORIES[-1])


def _tls(options: dict[str, str]) -> TLS:
    home = Path.home() / ".postgresql"

    def path(name: str, default: str) -> str | None:
        return options.get(name) or (str(home / default) if (home / default).exists() else None)

    certificates = options.get("sslcertmode") != "disable"
    key = options.get("sslkey", "")
    if ":" in key and not key.startswith("/"):
        raise ConninfoError("sslkey: keys in an OpenSSL engine are not supported; give the path of a PEM file")
    mode = cast(SSLMode, _one_of(options, "sslmode", get_args(SSLMode)))
    rootcert = path("sslrootcert", "root.crt")
    if rootcert == "system" and mode != "verify-full":
        raise ConninfoError(f"sslrootcert=system needs sslmode=verify-full, not {mode}")
    return TLS(
        mode=mode,
        direct=_one_of(options, "sslnegotiation", ("postgres", "direct")) == "direct",
        rootcert=rootcert,
        cert=path("sslcert", "postgresql.crt") if certificates else None,
        key=path("sslkey", "postgresql.key") if certificates else None,
        password=options.get("sslpassword"),
        crl=path("sslcrl", "root.crl"),
        crldir=options.get("sslcrldir") or None,
        min_version=options.get("ssl_min_protocol_version") or None,
        max_version=options.get("ssl_max_protocol_version") or None,
        sni=options.get("sslsni") != "0",
    )


def _keepalive(options: dict[str, str]) -> Keepalive:
    return Keepalive(
        on=_integer(options, "keepalives") != 0,
        idle_s=_integer(options, "keepalives_idle") or None,
        interval_s=_integer(options, "keepalives_interval") or None,
        count=_integer(options, "keepalives_count") or None,
        user_timeout_ms=_integer(options, "tcp_user_timeout") or None,
    )


def _connect_timeout(options: dict[str, str]) -> float:
    seconds = _integer(options, "connect_timeout")
    if seconds is None or seconds <= 0:
        return CONNECT_TIMEOUT_S
    return max(float(seconds), _MIN_CONNECT_TIMEOUT_S)


def _integer(options: dict[str, str], name: str) -> int | None:
    text = options.get(name, "").strip()
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise ConninfoError(f'{name}: "{text}" is not a whole number') from None


def _one_of(options: dict[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = options.get(name) or {"sslmode": "prefer", "target_session_attrs": "any"}.get(name, allowed[0])
    if value not in allowed:
        raise ConninfoError(f'{name}: "{value}" is not one of {", ".join(allowed)}')
    return value


def _os_user() -> str:
    return next(
        (o.val.decode(errors="replace") for o in pq.Conninfo.get_defaults() if o.keyword == b"user" and o.val), ""
    )
