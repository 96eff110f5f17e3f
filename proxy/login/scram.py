"""SCRAM-SHA-256 from both ends, without sockets: what a Postgres server does, and what libpq does.

Not ``scramp``'s own exchanges: libpq leaves the user name in its first message empty, which those refuse, and they
do not give out the client's key, with which Interlock logs in at the server without having a password.
Source: RFC 5802, RFC 7677, RFC 5929 (tls-server-end-point); src/backend/libpq/auth-scram.c, src/common/scram-common.c.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from asn1crypto.x509 import Certificate
from scramp import ScramException
from scramp.utils import saslprep

SCRAM: Final = "SCRAM-SHA-256"
SCRAM_PLUS: Final = "SCRAM-SHA-256-PLUS"
END_POINT: Final = "tls-server-end-point"
MAX_ITERATIONS: Final = 10_000_000
"""As many as take a few seconds; a server that asks for more wants to keep us busy."""
_NONCE_BYTES: Final = 18


class ScramError(Exception):
    """The other side broke the rules; ``sqlstate`` is what a server would answer."""

    def __init__(self, message: str, sqlstate: str = "08P01") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class WrongProof(Exception):
    """The password is not the right one."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """What ``pg_authid.rolpassword`` holds: enough to check a login, not enough to log in."""

    iterations: int
    salt: bytes = field(repr=False)
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """``SCRAM-SHA-256$4096:salt$stored:server``.  Raises ValueError, without repeating any of it."""
        try:
            scheme, numbers, keys = text.split("$")
            iterations, salt = numbers.split(":")
            stored, server = keys.split(":")
            found = cls(int(iterations), _decoded(salt), _decoded(stored), _decoded(server))
        except ValueError:
            raise ValueError("not a SCRAM-SHA-256 verifier") from None
        sizes = len(found.stored_key), len(found.server_key)
        if scheme != SCRAM or sizes != (32, 32) or not 1 <= found.iterations <= MAX_ITERATIONS:
            raise ValueError("not a SCRAM-SHA-256 verifier")
        return found

    @classmethod
    def of(cls, password: str, salt: bytes | None = None, iterations: int = 4096) -> Verifier:
        """The verifier of a password.  Slow on purpose."""
        salt = secrets.token_bytes(16) if salt is None else salt
        keys = Keys.of(password, salt, iterations)
        return cls(iterations, salt, hashlib.sha256(keys.client).digest(), keys.server)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a client has after it has salted its password; ``client`` is as good as the password for one salt."""

    client: bytes = field(repr=False)
    server: bytes = field(repr=False)

    @classmethod
    def of(cls, password: str, salt: bytes, iterations: int) -> Keys:
        """Slow on purpose: some milliseconds for 4096 iterations."""
        try:
            text = saslprep(password).encode()
        except ScramException:
            text = password.encode("utf-8", "surrogateescape")  # as Postgres: then the bytes as they are
        salted = hashlib.pbkdf2_hmac("sha256", text, salt, iterations)
        return cls(_mac(salted, b"Client Key"), _mac(salted, b"Server Key"))


def end_point(certificate: bytes) -> bytes | None:
    """The channel binding of a server's certificate (DER); None where its signature names no hash (Ed25519)."""
    try:
        name = Certificate.load(certificate, strict=True).hash_algo
    except ValueError:
        return None
    return hashlib.new("sha256" if name in ("md5", "sha1") else name, certificate).digest()


class ServerSide:
    """The server's half: ``first`` answers the SASLInitialResponse, ``final`` the SASLResponse.

    ``binding``: ``end_point`` of the certificate that the client sees, None without TLS.
    """

    def __init__(self, verifier: Verifier, binding: bytes | None) -> None:
        self._verifier = verifier
        self._binding = binding
        self._header = ""
        self._bare = self._said = self._nonce = ""
        self._bound = False
        self.client_key = b""

    @property
    def mechanisms(self) -> list[str]:
        return [SCRAM_PLUS, SCRAM] if self._binding is not None else [SCRAM]

    def first(self, mechanism: str, message: bytes) -> bytes:
        """Raises ScramError."""
        if mechanism not in self.mechanisms:
            raise ScramError("client selected an invalid SASL authentication mechanism")
        text = _text(message)
        flag, comma, rest = text.partition(",")
        authzid, comma2, bare = rest.partition(",")
        if not comma or not comma2 or authzid:
            raise _malformed()
        self._check_flag(flag, mechanism)
        self._header = f"{flag},{authzid},"
        fields = _fields(bare)
        if [name for name, _ in fields[:2]] != ["n", "r"] or not fields[1][1].isprintable():
            raise _malformed()
        self._bare = bare
        self._nonce = fields[1][1] + base64.b64encode(secrets.token_bytes(_NONCE_BYTES)).decode()
        salt = base64.b64encode(self._verifier.salt).decode()
        self._said = f"r={self._nonce},s={salt},i={self._verifier.iterations}"
        return self._said.encode()

    def _check_flag(self, flag: str, mechanism: str) -> None:
        if flag == "y" and self._binding is not None and mechanism == SCRAM:
            raise ScramError(
                "SCRAM channel binding negotiation error: the client supports channel binding but thinks that this side does not",
                "28000",
            )
        wanted = f"p={END_POINT}" if mechanism == SCRAM_PLUS else flag
        if flag != wanted or (mechanism == SCRAM and flag not in ("n", "y")):
            raise _malformed()
        self._bound = mechanism == SCRAM_PLUS

    def final(self, message: bytes) -> bytes:
        """Raises ScramError, and WrongProof.  Afterwards ``client_key`` is the client's."""
        text = _text(message)
        without_proof, comma, proof_text = text.rpartition(",p=")
        fields = _fields(without_proof)
        if not comma or [name for name, _ in fields[:2]] != ["c", "r"]:
            raise _malformed()
        expected = self._header.encode() + (self._binding if self._bound and self._binding else b"")
        if not hmac.compare_digest(_decoded_or_malformed(fields[0][1]), expected):
            raise ScramError("SCRAM channel binding check failed", "28000")
        if not hmac.compare_digest(fields[1][1].encode(), self._nonce.encode()):
            raise ScramError("malformed SCRAM message: nonce does not match")
        proof = _decoded_or_malformed(proof_text)
        if len(proof) != 32:
            raise _malformed()
        spoken = f"{self._bare},{self._said},{without_proof}".encode()
        client_key = _xor(proof, _mac(self._verifier.stored_key, spoken))
        if not hmac.compare_digest(hashlib.sha256(client_key).digest(), self._verifier.stored_key):
            raise WrongProof
        self.client_key = client_key
        return b"v=" + base64.b64encode(_mac(self._verifier.server_key, spoken))


class ClientSide:
    """The client's half, as libpq with ``channel_binding=prefer``: it binds where both can.

    ``offered`` are the server's mechanisms, ``binding`` is ``end_point`` of the server's certificate, None without TLS.
    Raises ScramError.
    """

    def __init__(self, offered: Sequence[str], binding: bytes | None) -> None:
        plus = SCRAM_PLUS in offered
        if plus and binding is not None:
            self.mechanism, flag, data = SCRAM_PLUS, f"p={END_POINT}", binding
        elif SCRAM in offered:
            self.mechanism, flag, data = SCRAM, "n" if binding is None or plus else "y", b""
        else:
            raise ScramError(f"the server offers no authentication that Interlock knows: {', '.join(offered)}")
        self._header = f"{flag},,".encode()
        self._data = data
        self._nonce = base64.b64encode(secrets.token_bytes(_NONCE_BYTES)).decode()
        self._bare = f"n=,r={self._nonce}"
        self._signature = b""

    def first(self) -> bytes:
        return self._header + self._bare.encode()

    def challenge(self, message: bytes) -> tuple[str, bytes, int]:
        """The server's answer as text, the salt and the iterations."""
        text = _text(message)
        fields = dict(_fields(text))
        nonce, salt, iterations = fields.get("r", ""), fields.get("s", ""), fields.get("i", "")
        if not nonce.startswith(self._nonce) or len(nonce) <= len(self._nonce):
            raise ScramError("the server answered with another nonce than ours")
        if not iterations.isdigit() or not 1 <= int(iterations) <= MAX_ITERATIONS:
            raise ScramError("the server asks for an impossible number of SCRAM iterations")
        return text, _decoded_or_malformed(salt), int(iterations)

    def final(self, challenge: str, keys: Keys) -> bytes:
        nonce = dict(_fields(challenge))["r"]
        without_proof = f"c={base64.b64encode(self._header + self._data).decode()},r={nonce}"
        spoken = f"{self._bare},{challenge},{without_proof}".encode()
        self._signature = _mac(keys.server, spoken)
        proof = _xor(keys.client, _mac(hashlib.sha256(keys.client).digest(), spoken))
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, message: bytes) -> None:
        """The server has to know the password, too."""
        name, _, value = _text(message).partition("=")
        if name != "v" or not hmac.compare_digest(_decoded_or_malformed(value), self._signature):
            raise ScramError("the server could not prove that it knows the password")


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _text(message: bytes) -> str:
    try:
        return message.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed() from None


def _fields(text: str) -> list[tuple[str, str]]:
    """``a=1,b=2``; a mandatory extension (``m=``) is refused, as the RFC has it."""
    fields = []
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or len(name) != 1:
            raise _malformed()
        if name == "m":
            raise ScramError("client requires an unsupported SCRAM extension", "0A000")
        fields.append((name, value))
    return fields


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)  # binascii.Error is a ValueError


def _decoded_or_malformed(text: str) -> bytes:
    try:
        return _decoded(text)
    except (binascii.Error, ValueError):
        raise _malformed() from None


def _malformed() -> ScramError:
    return ScramError("malformed SCRAM message")
