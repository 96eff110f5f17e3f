"""Listening sockets: bound here, or handed over by a service manager that keeps them open while Interlock restarts.

Source: sd_listen_fds(3); socket(7), SO_REUSEPORT.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BACKLOG: Final = 512
_FIRST: Final = 3  # SD_LISTEN_FDS_START


class CannotListen(Exception):
    """An address cannot be listened on; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: ``HOST:PORT`` (an empty host or ``*``: all), or ``/path`` of a Unix socket's directory with a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Listen:
        """``127.0.0.1:6432``, ``[::1]:6432``, ``*:6432``, ``/run/interlock:6432``.  Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"'{text}' is no HOST:PORT")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    @property
    def is_unix(self) -> bool:
        return self.host.startswith("/")


class Listening:
    """The listening sockets of each worker, open until ``close``."""

    def __init__(self, sockets: Sequence[Sequence[socket.socket]], *, ours: bool) -> None:
        """``ours``: bound here, so that the file of a Unix socket goes with it."""
        self.of_worker = sockets
        unix = {one.getsockname() for one in sockets[0] if one.family == socket.AF_UNIX}
        self._paths = [Path(name) for name in unix] if ours else []

    @classmethod
    def open(cls, places: Sequence[Listen], workers: int, environ: MutableMapping[str, str]) -> Listening:
        """Those that a service manager hands over, which all workers share, or bound to ``places``.  Raises CannotListen."""
        if given := handed_over(environ):
            return cls([given] * workers, ours=False)
        return cls(bind(places, workers), ours=True)

    @property
    def addresses(self) -> list[str]:
        return [shown(one) for one in self.of_worker[0]]

    def keep(self, worker: int) -> None:
        """In a worker: close what only others accept from, so that it is closed when they and the parent have closed it."""
        own = set(self.of_worker[worker])
        for one in {one for sockets in self.of_worker for one in sockets} - own:
            one.close()

    def close(self) -> None:
        """Refuse who comes now; what was handed over stays open where it came from."""
        for one in {one for sockets in self.of_worker for one in sockets}:
            one.close()
        for path in self._paths:
            path.unlink(missing_ok=True)


def handed_over(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """The sockets that a service manager passes (LISTEN_FDS); empty if none, or if they are for another process."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    number = int(environ.get("LISTEN_FDS", "0"))
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)  # not for what we start
    found = []
    for fd in range(_FIRST, _FIRST + number):
        os.set_inheritable(fd, False)
        one = socket.socket(fileno=fd)
        one.setblocking(False)
        if one.family != socket.AF_UNIX:
            _keep_alive(one)
        found.append(one)
    return found


def bind(places: Sequence[Listen], workers: int = 1) -> list[list[socket.socket]]:
    """The listening sockets of each worker; a Unix socket is one that they share.  Raises CannotListen, with nothing left open."""
    found: list[list[socket.socket]] = [[] for _ in range(workers)]
    for place in places:
        try:
            if place.is_unix:
                one = _unix(place)
                for sockets in found:
                    sockets.append(one)
            else:
                _bind(place, found)
        except OSError as error:
            for one in {one for sockets in found for one in sockets}:
                one.close()
            where = place.host if place.is_unix else f"{place.host or '*'}:{place.port}"
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise CannotListen(f"cannot listen on {where}: {reason.lower()}") from None
    return found


def _bind(place: Listen, found: list[list[socket.socket]]) -> None:
    host = None if place.host in ("", "*") else place.host
    several = len(found) > 1
    infos = socket.getaddrinfo(host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    port = place.port
    for family, kind, protocol, _, address in dict.fromkeys(infos):
        for sockets in found:
            try:
                one = socket.socket(family, kind, protocol)
            except OSError:  # the system has no such family
                break
            try:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if several:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                _keep_alive(one)
                one.bind((address[0], port, *address[2:]))
                one.listen(BACKLOG)
                one.setblocking(False)
            except BaseException:
                one.close()
                raise
            port = one.getsockname()[1]  # port 0 takes one; the other workers, and families, take the same
            sockets.append(one)


def _keep_alive(listener: socket.socket) -> None:
    """Notice within two minutes that a client's machine is gone, where the system's own values take two hours.

    What is accepted has the options of the socket that it came by: four system calls less for each client.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, option):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _unix(place: Listen) -> socket.socket:
    path = Path(place.host) / f".s.PGSQL.{place.port}"
    _clear_stale(path)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        one.bind(str(path))
        path.chmod(0o777)  # as Postgres's own: who may connect is for authentication to say
        one.listen(BACKLOG)
        one.setblocking(False)
    except BaseException:
        one.close()
        raise
    return one


def _clear_stale(path: Path) -> None:
    """Remove a socket file that nobody listens on any more."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) != 0:
            path.unlink()


def shown(one: socket.socket) -> str:
    """Its address as it is told: HOST:PORT, [HOST]:PORT, or a path."""
    name = one.getsockname()
    if one.family == socket.AF_UNIX:
        return str(name)
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"
