"""Who may look at the page, and who may act: two tokens, a cookie for browsers, and no forged requests.

A browser trades the token for a cookie once (``/login``); programs send it as ``Authorization: Bearer``.  Without any token,
which only loopback allows, everybody there may look and nobody may act.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field

from proxy.admin.source import Role

COOKIE = "interlock_session"
LASTS_S = 12 * 3600
LOCAL = ("127.0.0.1", "localhost", "::1", "[::1]")


@dataclass(frozen=True, slots=True)
class Access:
    admin_token: str = ""
    stats_token: str = ""
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)  # sessions end with the process

    @property
    def tokens(self) -> bool:
        return bool(self.admin_token or self.stats_token)

    def of_token(self, token: str) -> Role | None:
        # Both are compared, so that the time tells nothing.
        admin = bool(self.admin_token) and hmac.compare_digest(token.encode(), self.admin_token.encode())
        stats = bool(self.stats_token) and hmac.compare_digest(token.encode(), self.stats_token.encode())
        return "admin" if admin else "stats" if stats else None

    def cookie(self, role: Role) -> str:
        """``role.until.random.signature``"""
        told = f"{role}.{int(time.time()) + LASTS_S}.{secrets.token_hex(8)}"
        return f"{told}.{self._sign('session', told)}"

    def of_cookie(self, cookie: str) -> Role | None:
        told, _, signature = cookie.rpartition(".")
        if not told or not hmac.compare_digest(signature.encode(), self._sign("session", told).encode()):
            return None
        role, until, _ = told.split(".")
        if int(until) < time.time():
            return None
        return "admin" if role == "admin" else "stats"

    def role(self, authorization: str, cookie: str) -> Role | None:
        """What a request may do; None: nothing, it is to log in."""
        kind, _, token = authorization.partition(" ")
        if kind.lower() == "bearer":
            return self.of_token(token.strip())
        if cookie and (role := self.of_cookie(cookie)) is not None:
            return role
        return None if self.tokens else "stats"

    def form_token(self, cookie: str) -> str:
        """What a form of ours carries, and no other site's can: it belongs to that very cookie."""
        return self._sign("form", cookie)

    def is_our_form(self, cookie: str, token: str) -> bool:
        return bool(cookie) and hmac.compare_digest(token.encode(), self.form_token(cookie).encode())

    def _sign(self, what: str, told: str) -> str:
        return hmac.new(self._key, f"{what}:{told}".encode(), hashlib.sha256).hexdigest()


def is_local(host: str) -> bool:
    """Whether a Host header names this machine: another site whose name leads here (DNS rebinding) says its own."""
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    return name.lower() in LOCAL


__all__ = ["COOKIE", "LASTS_S", "Access", "is_local"]
