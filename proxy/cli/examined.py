"""What ``interlock doctor`` looks at, one function for each."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal

from proxy import __version__

State = Literal["ok", "note", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Found:
    """``remedy`` is what to do, a line each; empty if it is well."""

    what: str
    state: State
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What ``serve`` would be told."""

    upstream: str
    monitor: str
    policy: str
    audit: str


async def examine(patient: Patient) -> list[Found]:
    """All of it, in order; what cannot be looked at since something before it failed is left out."""
    from proxy.cli.examined_inside import inside

    found = [_itself(), *_policy(patient.policy)]
    if patient.audit:
        found.append(_audit(Path(patient.audit)))
    reached = await _reached(patient.upstream)
    found += reached
    if all(one.state != "fail" for one in reached):
        found += [one async for one in inside(patient)]
    return found


# ---------------------------------------------------------------- here


def _itself() -> Found:
    loop = "asyncio"
    with contextlib.suppress(metadata.PackageNotFoundError):  # it is not on every platform
        loop = f"uvloop {metadata.version('uvloop')}"
    return Found("interlock", "ok", f"{__version__}, Python {platform.python_version()}, {loop}")


def _policy(name: str) -> list[Found]:
    from proxy.policy.load import PolicyError, load

    try:
        policy = load(name)
    except PolicyError as error:
        return [Found("policy", "fail", str(error).replace("\n", "; "), f"interlock policy check {name}")]
    found = [Found("policy", "ok" if policy.mode == "enforce" else "note", f"{policy.name}, mode {policy.mode}")]
    if expired := policy.expired(datetime.now(UTC)):
        said = ", ".join(f"{source} ({one.until})" for source, one in expired)
        found.append(Found("exceptions", "warn", f"expired: {said}", "Remove them, or give them another day."))
    return found


def _audit(path: Path) -> Found:
    folder = path.parent
    if not folder.is_dir():
        return Found("audit log", "fail", f"the folder {folder} does not exist", f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        who = "this user"
        return Found(
            "audit log",
            "fail",
            f"{who} cannot write {path}, or not its folder",
            "The folder too: for the lock file and rotation.",
        )
    return Found("audit log", "ok", str(path))


# ---------------------------------------------------------------- the way there


async def _reached(url: str) -> list[Found]:
    from proxy import upstream as upstreams
    from proxy.conninfo import ConninfoError, parse
    from proxy.upstream import UpstreamUnavailable

    try:
        upstream = parse(url)
    except ConninfoError as error:
        return [Found("upstream", "fail", str(error), "postgresql://user@host:port/database?sslmode=verify-full")]
    begun = time.monotonic()
    try:
        peer = await upstreams.connect(upstream)
    except UpstreamUnavailable as error:
        return [
            Found(
                "upstream",
                "fail",
                error.message,
                "Is the server up, the address right, and no firewall between?",
            )
        ]
    took = (time.monotonic() - begun) * 1000
    tls = peer.tls.version() if peer.tls is not None else ""
    peer.abort()
    found = [Found("upstream", "ok", f"{upstream.redacted}, reached in {took:.0f} ms")]
    local = all(str(a).startswith(("/", "127.", "localhost", "[::1]")) for a in upstream.addresses)
    if tls and upstream.tls.mode in ("verify-ca", "verify-full"):
        found.append(Found("TLS", "ok", f"{tls}, certificate verified ({upstream.tls.mode})"))
    elif tls:
        found.append(
            Found(
                "TLS",
                "warn",
                f"{tls}, but with sslmode={upstream.tls.mode} nobody checks whose certificate it is",
                "sslmode=verify-full with sslrootcert=… in --upstream",
            )
        )
    else:
        state: State = "note" if local else "warn"
        remedy = "" if local else "sslmode=verify-full with sslrootcert=… in --upstream, and ssl = on at the server"
        found.append(
            Found(
                "TLS",
                state,
                "none: passwords by SCRAM are safe, what is sent is not"
                if not local
                else "none; the server is on this machine",
                remedy,
            )
        )
    return found


__all__ = ["Found", "Patient", "examine"]
