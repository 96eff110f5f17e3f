"""One socket with back-pressure and TLS, the same for both sides of the proxy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from proxy.tls import Session

if TYPE_CHECKING:
    from proxy.conninfo import Address

HIGH_WATER_BYTES: Final = 256 * 1024
LOW_WATER_BYTES: Final = 64 * 1024
EARLY_BYTES: Final = 64 * 1024
"""How much is kept for an owner that has not said yet where data goes; reading stops above it."""
CLOSE_S: Final = 3.0
"""How long a closed connection may take to flush, and its other end to close too."""

OnData = Callable[[bytes], None]
OnLost = Callable[[Exception | None], None]


# Why reading is paused; it goes on when no reason is left.  (Plain numbers: a Flag takes a microsecond for an "and".)
_OWNER, _PARTNER, _EARLY = 1, 2, 4


class Peer(asyncio.Protocol):
    """One connected socket: data in by ``on_data``, its end by ``on_lost``, data out by ``write``.

    Data that arrives before ``on_data`` is set waits for it, or for ``receive``.  ``on_lost`` is called once, at the end of
    the stream or at the loss of the connection, with the error if there was one, also when this side closed it; what was received before
    comes first.  An exception out of ``on_data`` aborts the connection and is given to ``on_lost``.
    """

    def __init__(self, on_connect: Callable[[Peer], None] | None = None) -> None:
        self.peername = ""
        self.address: Address | None = None
        """Where an upstream connection landed, so that a cancel request reaches the same server."""
        self.is_unix = False
        self._on_connect = on_connect
        self._on_data: OnData | None = None
        self._on_lost: OnLost | None = None
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._partner: Peer | None = None
        self._held = 0
        self._full = False
        self._closing = False
        self._deadline: asyncio.TimerHandle | None = None
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._eof = False
        self._told = False
        self._error: Exception | None = None
        self._readable: asyncio.Future[None] | None = None
        self._drained: list[asyncio.Future[None]] = []
        self._gone = self._loop.create_future()
        self._tls: Session | None = None

    # -- what the owner sets and asks ----------------------------------------------------------------------------------

    @property
    def on_data(self) -> OnData | None:
        return self._on_data

    @on_data.setter
    def on_data(self, callback: OnData | None) -> None:
        self._on_data = callback
        if callback is not None and (self._early or self._eof):
            self._loop.call_soon(self._hand_over)

    @property
    def on_lost(self) -> OnLost | None:
        return self._on_lost

    @on_lost.setter
    def on_lost(self, callback: OnLost | None) -> None:
        self._on_lost = callback
        if callback is not None and self._eof:
            self._loop.call_soon(self._hand_over)

    @property
    def partner(self) -> Peer | None:
        """The peer whose data is written here: its reading pauses while this one's write buffer is above the high-water mark."""
        return self._partner

    @partner.setter
    def partner(self, partner: Peer | None) -> None:
        if self._partner is not None and self._full:
            self._partner._release(_PARTNER)
        self._partner = partner
        if partner is not None and self._full:
            partner._hold(_PARTNER)

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session after ``start_tls``, for its version, cipher, ALPN protocol and certificate."""
        return self._tls.session if self._tls is not None else None

    @property
    def closed(self) -> bool:
        """Nothing written from now on is sent: closed or aborted by this side, or lost."""
        return self._closing or self._transport is None

    @property
    def paused(self) -> bool:
        """Reading is stopped: by the owner, by the partner, or because early data waits for an owner."""
        return bool(self._held)

    def socket_option(self, level: int, option: int, size_bytes: int) -> bytes:
        """Read an option of the socket (``SO_PEERCRED``).  Raises OSError."""
        if self._transport is None:
            raise OSError("the connection is closed")
        found = cast(socket.socket, self._transport.get_extra_info("socket"))
        return found.getsockopt(level, option, size_bytes)

    # -- reading -------------------------------------------------------------------------------------------------------

    async def receive(self) -> bytes:
        """Return what has arrived since, or wait for some; b"" at the end of the stream.

        For the first packets only, while ``on_data`` is not set.  One caller at a time.  Raises the error that ended the connection.
        """
        if not self._early and not self._eof:
            self._readable = self._loop.create_future()
            try:
                await self._readable
            finally:
                self._readable = None
        if self._early:
            return self._take_early()
        if self._error is not None:
            raise self._error
        return b""

    def pause(self) -> None:
        """Stop reading until ``resume``; being paused by the partner as well is a reason of its own."""
        self._hold(_OWNER)

    def resume(self) -> None:
        self._release(_OWNER)

    # -- writing -------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send data; dropped silently when the connection is closed (``on_lost`` has told or will tell)."""
        if self._closing or self._transport is None or not data:
            return
        if self._tls is None:
            self._transport.write(data)
            return
        try:
            self._transport.write(self._tls.encrypt(data))
        except ssl.SSLError as error:
            self._fail(error)

    async def drain(self) -> None:
        """Wait until the write buffer is below the high-water mark, or the connection is gone."""
        if self._full and self._transport is not None:
            waiter = self._loop.create_future()
            self._drained.append(waiter)
            await waiter

    def close(self) -> None:
        """Send what is buffered, say goodbye, and wait a bounded time for the other side to hang up as well.

        Waiting matters: closing a socket with unread input resets the connection, and the other side may lose the error
        message that was the reason for closing.
        """
        if self._closing or self._transport is None:
            return
        if self._tls is not None:
            with contextlib.suppress(ssl.SSLError, ValueError):
                self._transport.write(self._tls.goodbye())
        if self._eof:
            self._closing = True  # the other side has hung up: what is buffered goes out, and that is all
        else:
            self._shut()

    def abort(self) -> None:
        """Drop the connection at once, with all that is buffered."""
        if self._transport is not None:
            self._closing = True
            self._early.clear()
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the socket is closed, whoever closed it."""
        await asyncio.shield(self._gone)

    # -- TLS -----------------------------------------------------------------------------------------------------------

    async def start_tls(
        self, context: ssl.SSLContext, *, server_side: bool, server_hostname: str | None = None, already: bytes = b""
    ) -> None:
        """Speak TLS from here on; returns after the handshake.

        ``already`` are bytes that the owner has taken and that belong to TLS (a direct connection's ClientHello).  Plain bytes
        behind an SSLRequest must be refused by the owner; what arrived here unread since is fed to TLS, where plain text fails.
        Raises ssl.SSLError or ConnectionError; the connection is then of no further use.  The caller bounds the time.
        """
        if self._transport is None:
            raise self._error or ConnectionResetError("the connection was closed")
        pending = already + self._take_early()
        self._tls = Session(context, server_side, server_hostname, self._loop.create_future())
        self._take_in(pending)
        try:
            await self._tls.ready
        except asyncio.CancelledError:
            self.abort()
            raise

    # -- asyncio.Protocol ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES, low=LOW_WATER_BYTES)
        # The loop sends at once (TCP_NODELAY), and accepted sockets are kept alive as the one that listens (proxy.sockets).
        peername = transport.get_extra_info("peername")
        self.is_unix = isinstance(peername, str | bytes)
        self.peername = _name(peername)
        if self._on_connect is not None:
            on_connect, self._on_connect = self._on_connect, None
            on_connect(self)

    def data_received(self, data: bytes) -> None:
        if self._tls is not None:
            self._take_in(data)
        elif self._on_data is None or self._early or self._closing:
            self._deliver(data)
        else:
            try:
                self._on_data(data)
            except Exception as error:
                self._fail(error)

    def eof_received(self) -> None:
        self._end(None)

    def pause_writing(self) -> None:
        self._full = True
        if self._partner is not None:
            self._partner._hold(_PARTNER)

    def resume_writing(self) -> None:
        self._full = False
        if self._partner is not None:
            self._partner._release(_PARTNER)
        self._wake_writers()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.partner = None
        self._transport = None
        if self._tls is not None:
            self._tls.fail(exc or ConnectionResetError("the connection was closed during the TLS handshake"))
        self._wake_writers()
        self._end(exc)
        if not self._gone.done():
            self._gone.set_result(None)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _deliver(self, data: bytes) -> None:
        if self._closing:
            return
        if self._on_data is None or self._early:
            self._early.append(data)
            self._early_bytes += len(data)
            if self._early_bytes > EARLY_BYTES:
                self._hold(_EARLY)
            self._wake_reader()
            return
        try:
            self._on_data(data)
        except Exception as error:
            self._fail(error)

    def _take_in(self, data: bytes) -> None:
        """Feed ciphertext; deliver what it decrypts to as one piece, so that a pause inside on_data holds the rest back."""
        assert self._tls is not None
        try:
            plain, ended = self._tls.decrypt(data)
        except ssl.SSLError as error:
            self._error = self._error or error
            if self._transport is not None and not self._closing:
                self._transport.write(self._tls.outgoing())  # the alert, which tells the other side why
                self._shut()
            self._tls.fail(error)
            return
        if self._transport is not None and (answer := self._tls.outgoing()):
            self._transport.write(answer)
        if plain:
            self._deliver(plain)
        if ended:
            self._end(None)

    def _hand_over(self) -> None:
        """Give the owner what came early, then the end if it came too."""
        if self._early and self._on_data is not None:
            try:
                self._on_data(self._take_early())
            except Exception as error:
                self._fail(error)
        if self._eof and not (self._early and self._on_data is not None):
            self._tell()

    def _take_early(self) -> bytes:
        data = b"".join(self._early)
        self._early.clear()
        self._early_bytes = 0
        self._release(_EARLY)
        return data

    def _end(self, error: Exception | None) -> None:
        """The stream has ended: tell the owner, and let what is still to be sent out within the time allowed."""
        self._error = self._error or error
        if not self._eof:
            self._eof = True
            self._wake_reader()
            if not (self._early and self._on_data is not None):
                self._tell()
        if self._transport is not None:
            self._closing = True
            if self._transport.get_write_buffer_size():
                self._arm()
            self._transport.close()

    def _tell(self) -> None:
        if self._told or self._on_lost is None:
            return
        self._told = True
        on_lost, self._on_lost, self._on_data = self._on_lost, None, None
        on_lost(self._error)

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self.abort()

    def _shut(self) -> None:
        """Send no more, and throw away what still comes, until the other side hangs up or the time is over."""
        self._closing = True
        self._early.clear()
        self._held = 0
        self._arm()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            with contextlib.suppress(OSError, RuntimeError, NotImplementedError):
                self._transport.write_eof()

    def _arm(self) -> None:
        if self._deadline is None:
            self._deadline = self._loop.call_later(CLOSE_S, self.abort)

    def _hold(self, why: int) -> None:
        if self._closing:
            return
        if not self._held and self._transport is not None:
            self._transport.pause_reading()
        self._held |= why

    def _release(self, why: int) -> None:
        if not self._held & why:
            return
        self._held &= ~why
        if not self._held and not self._closing and self._transport is not None:
            self._transport.resume_reading()

    def _wake_reader(self) -> None:
        if self._readable is not None and not self._readable.done():
            self._readable.set_result(None)

    def _wake_writers(self) -> None:
        for waiter in self._drained:
            if not waiter.done():
                waiter.set_result(None)
        self._drained.clear()


def _name(peername: object) -> str:
    """An address as logs show it: 10.0.0.1:5432, [::1]:5432, or ``unix`` for a socket without a name of its own."""
    match peername:
        case (str(host), int(port), *_):
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case str(path) if path:
            return path
        case bytes(path) if path:
            return "@" + path[1:].decode(errors="replace") if path[0] == 0 else path.decode(errors="replace")
        case str() | bytes():
            return "unix"
        case _:  # it has gone already
            return "unknown"
