"""Connecting to the upstream: hosts in order, TLS as ``sslmode`` says, and the host that fits ``target_session_attrs``.

Ends where the StartupMessage begins: that one is the client's own.
Source: PostgreSQL docs, libpq (34.1.2 Parameter Key Words, 34.19 SSL Support) and Frontend/Backend Protocol (SSL Session Encryption).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import pwd
import random
import socket
import ssl
import struct
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from proxy.conninfo import Address, ConninfoError, Keepalive, SessionAttrs, Upstream
from proxy.net import Peer
from proxy.roles import Roles
from proxy.tls import client_context

CANNOT_CONNECT_NOW: Final = "57P03"
CANCEL_TIMEOUT_S: Final = 10.0
_SSL_REQUEST: Final = struct.pack("!ii", 8, 80877103)


class UpstreamUnavailable(Exception):
    """No address of the upstream could be used: ``message`` for the client, ``detail`` with each one's reason.

    The SQLSTATE is cannot_connect_now and never of class 08, which drivers take for a broken link to the proxy itself.
    """

    def __init__(self, message: str, detail: str = "", sqlstate: str = CANNOT_CONNECT_NOW) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.sqlstate = sqlstate


class _Refused(Exception):
    """One address cannot be used; the text is the reason, without the address."""


class _TLSRefused(_Refused):
    """The address can be reached, but not by TLS; ``prefer`` goes on in plain text."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """What an address was tried as, and why it could not be used."""

    address: Address
    reason: str

    def __str__(self) -> str:
        name = str(self.address)
        at = self.address.hostaddr
        return f"{name} ({at}): {self.reason}" if at and at not in name else f"{name}: {self.reason}"


async def connect(upstream: Upstream, roles: Roles | None = None) -> Peer:
    """Connect to the first address that can be used, and return it ready for the StartupMessage.

    ``roles`` remembers which host is primary or standby from one connection to the next; without it, every host counts as
    fitting.  ``Peer.address`` of the result is the address with its resolved IP, for ``cancel``.
    Each address has ``connect_timeout_s`` for connection and TLS together.  Raises UpstreamUnavailable.
    """
    failures: list[_Failure] = []
    for wanted in _passes(upstream.target_session_attrs):
        failures.clear()
        for address in _ordered(upstream, roles, wanted):
            for place in await _resolve(address, upstream, failures):
                try:
                    peer = await _reach(place, upstream)
                    misfit = await _misfit(peer, place, upstream, roles, wanted)
                except _Refused as refused:
                    failures.append(_Failure(place, str(refused)))
                    continue
                if not misfit:
                    return peer
                peer.abort()
                failures.append(_Failure(place, misfit))
    raise _unavailable(upstream, failures)


async def cancel(upstream: Upstream, peer: Peer, request: bytes) -> str:
    """Send a raw CancelRequest to the server where ``peer`` is (or was) connected; return when that server has closed.

    Over TLS exactly if the main connection was.  The client's own cancel connection is to be closed after this returns: libpq
    takes the close as "delivered".  Returns "" or, since nobody can be told in the protocol, the reason why it could not be
    delivered; never raises it, and never takes longer than CANCEL_TIMEOUT_S.
    """
    address = peer.address
    assert address is not None, "not a connection made by connect()"
    tls = upstream.tls if peer.tls is not None else replace(upstream.tls, mode="disable", direct=False)
    if peer.tls is not None and tls.mode == "prefer":
        tls = replace(tls, mode="require", rootcert=None)
    try:
        async with asyncio.timeout(CANCEL_TIMEOUT_S):
            messenger = await _reach(address, replace(upstream, tls=tls))
            try:
                messenger.write(request)
                while await messenger.receive():
                    pass
            except OSError:
                pass  # a reset is a close too
            finally:
                messenger.abort()
    except _Refused as refused:
        return f"could not send the cancel request to upstream {address}: {refused}"
    except TimeoutError:
        return f"upstream {address} did not take the cancel request within {CANCEL_TIMEOUT_S:g} s"
    return ""


def _passes(wanted: SessionAttrs) -> tuple[SessionAttrs, ...]:
    return ("standby", "any") if wanted == "prefer-standby" else (wanted,)


def _ordered(upstream: Upstream, roles: Roles | None, wanted: SessionAttrs) -> list[Address]:
    """The hosts as given or shuffled; those known to fit first, those known not to fit last."""
    addresses = list(upstream.addresses)
    if upstream.load_balance:
        random.shuffle(addresses)
    if roles is not None and wanted != "any":
        addresses.sort(key=lambda address: roles.rank(address, wanted))
    return addresses


async def _misfit(peer: Peer, place: Address, upstream: Upstream, roles: Roles | None, wanted: SessionAttrs) -> str:
    """Why the server just reached is not the one wanted; "" if it is, or if nobody can tell before the client's login.

    Asked only after connecting, so that a host that is down is found out once.
    """
    if roles is None or wanted == "any" or not upstream.has_credentials:
        return ""
    try:
        role = await roles.ask(upstream, place)
    except BaseException:
        peer.abort()
        raise
    return "" if role is None or role.fits(wanted) else f"is {role}, not {wanted}"


async def _resolve(address: Address, upstream: Upstream, failures: list[_Failure]) -> list[Address]:
    """One address for each IP of the host, in the resolver's order; empty, with a failure noted, if it has none."""
    if address.is_unix or address.hostaddr is not None:
        return [address]
    if (there := _by_number(address)) is not None:  # nothing to ask a resolver, which would take a thread for it
        return [there]
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(upstream.connect_timeout_s):
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        reason = (
            f"timed out after {upstream.connect_timeout_s:g} s" if isinstance(error, TimeoutError) else error.strerror
        )
        failures.append(_Failure(address, f"host name could not be resolved: {reason}"))
        return []
    places = [replace(address, hostaddr=str(sockaddr[0])) for *_, sockaddr in found]
    if upstream.load_balance:
        random.shuffle(places)
    return places


@lru_cache  # of the few hosts that there are
def _by_number(address: Address) -> Address | None:
    """The same with its IP, if the host is one; None if it is a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):
            socket.inet_pton(family, address.host)
            return replace(address, hostaddr=address.host)
    return None


async def _reach(address: Address, upstream: Upstream) -> Peer:
    """Connect to one resolved address and negotiate TLS, within the time for one address.  Raises _Refused."""
    try:
        async with asyncio.timeout(upstream.connect_timeout_s):
            if address.is_unix or upstream.tls.mode in ("disable", "allow"):
                return await _plain(address, upstream)
            try:
                return await _encrypted(address, upstream)
            except _TLSRefused:
                if upstream.tls.mode != "prefer":
                    raise
                return await _plain(address, upstream)
    except TimeoutError:
        raise _Refused(f"timed out after {upstream.connect_timeout_s:g} s") from None


async def _plain(address: Address, upstream: Upstream) -> Peer:
    peer = await _open(address, upstream.keepalive)
    if address.is_unix and upstream.requirepeer:
        try:
            _require_owner(peer, upstream.requirepeer)
        except _Refused:
            peer.abort()
            raise
    return peer


async def _encrypted(address: Address, upstream: Upstream) -> Peer:
    """A TLS connection; a plain one if the server has no TLS and sslmode is prefer."""
    tls = upstream.tls
    peer = await _open(address, upstream.keepalive)
    try:
        if not tls.direct and not await _offers_tls(peer):
            if tls.mode == "prefer":
                return peer
            raise _TLSRefused(f"server does not support TLS, but sslmode={tls.mode} needs it")
        context = client_context(tls)  # anew each time, for its files may have been renewed
        name = address.host or address.hostaddr
        await peer.start_tls(context, server_side=False, server_hostname=name if tls.sni else None)
        if tls.direct and peer.tls is not None and peer.tls.selected_alpn_protocol() != "postgresql":
            raise _TLSRefused(
                "server did not agree to the protocol postgresql in TLS (ALPN), which sslnegotiation=direct needs"
            )
        return peer
    except ConninfoError as error:
        peer.abort()
        raise _TLSRefused(str(error)) from None
    except ssl.SSLCertVerificationError as error:
        peer.abort()
        raise _TLSRefused(f"certificate verification failed: {error.verify_message.rstrip('.')}") from None
    except ssl.SSLError as error:
        peer.abort()
        raise _TLSRefused(f"TLS handshake failed: {(error.reason or str(error)).lower().replace('_', ' ')}") from None
    except OSError as error:
        peer.abort()
        raise _TLSRefused(f"connection lost during the TLS handshake: {_reason(error)}") from None
    except BaseException:
        peer.abort()
        raise


async def _offers_tls(peer: Peer) -> bool:
    peer.write(_SSL_REQUEST)
    match await peer.receive():
        case b"S":
            return True
        case b"N":
            return False
        case b"":
            raise _TLSRefused("server closed the connection at the TLS request")
        case answer if answer[:1] == b"E":
            # Its text came unencrypted and from anybody, so it is not shown (CVE-2024-10977).
            raise _TLSRefused("server answered the TLS request with an error")
        case answer if answer[:1] in b"SN":
            raise _TLSRefused("unencrypted data followed the answer to the TLS request: somebody is in between")
        case _:
            raise _TLSRefused("server does not speak the PostgreSQL protocol (unexpected answer to the TLS request)")


async def _open(address: Address, keepalive: Keepalive) -> Peer:
    """A connected socket as a Peer.  Raises _Refused; cancelled, it leaves no socket behind."""
    loop = asyncio.get_running_loop()
    try:
        sock, where = _socket(address)
    except (OSError, ValueError) as error:
        raise _Refused(_reason(error)) from None
    try:
        if not address.is_unix:
            _keep_alive(sock, keepalive)
        await _connect(sock, where)
        if address.is_unix:
            _, peer = await loop.create_unix_connection(Peer, sock=sock)
        else:
            _, peer = await loop.create_connection(Peer, sock=sock)
    except OSError as error:
        sock.close()
        raise _Refused(_reason(error)) from None
    except BaseException:
        sock.close()
        raise
    peer.address = address
    return peer


async def _connect(sock: socket.socket, where: str | tuple[str, int]) -> None:
    """As the loop's own ``sock_connect``, but for asking a resolver, in a thread, about what is an IP already.  Raises OSError."""
    failed = sock.connect_ex(where)
    if failed == errno.EINPROGRESS:
        failed = sock.connect_ex(where)  # a server on this machine has answered by now
    if failed in (errno.EINPROGRESS, errno.EALREADY):
        loop = asyncio.get_running_loop()
        writable = loop.create_future()
        loop.add_writer(sock, _done, writable)
        try:
            await writable
        finally:
            loop.remove_writer(sock)
        failed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if failed not in (0, errno.EISCONN):
        raise OSError(failed, os.strerror(failed))


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _socket(address: Address) -> tuple[socket.socket, str | tuple[str, int]]:
    if address.is_unix:
        path = address.socket_path
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        where: str | tuple[str, int] = "\0" + path[1:] if path.startswith("@") else path
    else:
        ip = address.hostaddr or ""
        sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM)
        where = (ip, address.port)
    sock.setblocking(False)
    return sock, where


def _keep_alive(sock: socket.socket, keepalive: Keepalive) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(keepalive.on))
    for option, value in (
        ("TCP_KEEPIDLE", keepalive.idle_s),
        ("TCP_KEEPINTVL", keepalive.interval_s),
        ("TCP_KEEPCNT", keepalive.count),
        ("TCP_USER_TIMEOUT", keepalive.user_timeout_ms),
    ):
        if value is not None and hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _require_owner(peer: Peer, wanted: str) -> None:
    """libpq's requirepeer: the server at a Unix socket must run as this operating system user."""
    try:
        _, uid, _ = struct.unpack("3i", peer.socket_option(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        owner = pwd.getpwuid(uid).pw_name
    except (OSError, KeyError) as error:
        raise _Refused(f"requirepeer={wanted}: the server's user cannot be found out: {error}") from None
    if owner != wanted:
        raise _Refused(f"requirepeer={wanted}, but the server runs as {owner}")


def _reason(error: BaseException) -> str:
    """An operating system error in Postgres's manner: its text, lower case first."""
    if isinstance(error, OSError) and error.errno:
        text = os.strerror(error.errno)
        return text[:1].lower() + text[1:]
    return str(error) or type(error).__name__


def _unavailable(upstream: Upstream, failures: list[_Failure]) -> UpstreamUnavailable:
    detail = "\n".join(str(failure) for failure in failures)
    if not failures:
        return UpstreamUnavailable("could not connect to upstream: no address to try")
    if all(failure.reason.startswith("is ") for failure in failures):
        wanted = upstream.target_session_attrs
        return UpstreamUnavailable(f"no upstream host is {wanted} (asked by target_session_attrs={wanted})", detail)
    first = next(failure for failure in failures if not failure.reason.startswith("is "))
    tried = f" (tried {len(failures)} addresses)" if len(failures) > 1 else ""
    return UpstreamUnavailable(f"could not connect to upstream {first.address}: {first.reason}{tried}", detail)
