"""Who may connect: a list as in pg_hba.conf, of which the first entry that matches counts."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal

from pydantic import Field, PlainSerializer, PlainValidator, StrictBool, WithJsonSchema

from proxy.policy.base import Model

UNIX: Final = "unix"
REPLICATION: Final = "replication"
_NAME_BYTES: Final = 63  # NAMEDATALEN - 1: the server cuts longer names

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(value: object) -> Network | str:
    if value == UNIX:
        return UNIX
    try:
        if not isinstance(value, str):
            raise ValueError
        return ipaddress.ip_network(value, strict=True)
    except ValueError as error:
        if "host bits set" in str(error):
            network = ipaddress.ip_network(str(value), strict=False)
            raise ValueError(f"'{value}' has bits set behind its mask; write {network}") from None
        raise ValueError(f"'{value}' is no address; write 10.0.0.0/8, 192.0.2.7, 2001:db8::/32 or {UNIX}") from None


def _names(value: object) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, tuple) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("expected a name or a list of names; * and ? stand for any letters and one")
    return names


Names = Annotated[
    tuple[str, ...],
    PlainValidator(_names),
    PlainSerializer(list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Address = Annotated[
    Network | str,
    PlainValidator(_network),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "unix"]}),
]


class AccessEntry(Model):
    """Some connections, and whether they may be.  A key that is not there matches all."""

    users: Names | None = Field(default=None, description="The user who logs in: names or globs.")
    databases: Names | None = Field(
        default=None,
        description="The database: names or globs. Physical replication is none: it wants the name replication, and no glob.",
    )
    addresses: tuple[Address, ...] | None = Field(
        default=None, min_length=1, description="Where the client comes from: networks, or unix for Unix sockets."
    )
    tls: StrictBool | None = Field(default=None, description="true: only with TLS; false: only without.")
    action: Literal["allow", "reject"] = Field(default="allow", description="Whether it may connect.")


@dataclass(frozen=True, slots=True)
class Connecting:
    """A connection that is asked for; ``address`` empty for a Unix socket."""

    user: str
    database: str
    address: str
    tls: bool
    physical: bool = False  # replication that is of no database

    def __str__(self) -> str:
        encryption = "TLS encryption" if self.tls else "no encryption"
        of = "replication connection, " if self.physical else ""
        on = "" if self.physical else f', database "{self.database}"'
        return f'{of}host "{self.address or "[local]"}", user "{self.user}"{on}, {encryption}'


def refusal(entries: Sequence[AccessEntry], connecting: Connecting) -> str:
    """Why it may not connect, in the server's manner; empty if it may.  No list lets everybody in."""
    if not entries:
        return ""
    for entry in entries:
        if _matches(entry, connecting):
            return "" if entry.action == "allow" else f"Interlock's access list rejects connection for {connecting}"
    return f"no entry in Interlock's access list for {connecting}"


def _matches(entry: AccessEntry, connecting: Connecting) -> bool:
    if entry.tls is not None and entry.tls != connecting.tls:
        return False
    if entry.users is not None and not _is_one(connecting.user, entry.users):
        return False
    if connecting.physical:
        if REPLICATION not in (entry.databases or ()):
            return False
    elif entry.databases is not None and not _is_one(connecting.database, entry.databases):
        return False
    return entry.addresses is None or any(_within(connecting.address, place) for place in entry.addresses)


def _is_one(name: str, patterns: Sequence[str]) -> bool:
    cut = name.encode("utf-8", "surrogateescape")[:_NAME_BYTES].decode("utf-8", "surrogateescape")
    return any(fnmatchcase(cut, pattern) for pattern in patterns)


def _within(address: str, place: Network | str) -> bool:
    if isinstance(place, str) or not address:
        return place == UNIX and not address
    try:
        found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found in place
