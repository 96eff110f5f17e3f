"""Bytes that wait: for the rest of their message, or for a decision about the one in front of them."""

from __future__ import annotations

NEVER = 1 << 62


class Backlog:
    """Chunks kept apart until there are ``need`` bytes, and then joined once; so a long message costs no more
    than its length, in however many reads it comes."""

    __slots__ = ("_at", "_chunks", "_need", "size")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._at = 0
        self._need = 0
        self.size = 0

    def keep(self, data: bytes, at: int, need: int) -> None:
        """Wait with data[at:], nothing else waiting, until there are ``need`` bytes."""
        self._chunks = [data]
        self._at = at
        self._need = need
        self.size = len(data) - at

    def add(self, data: bytes) -> bool:
        """Wait with more; true when there are enough."""
        self._chunks.append(data)
        self.size += len(data)
        return self.size >= self._need

    def look(self) -> tuple[bytes, int]:
        """All that waits, as data and the offset where it begins; it goes on waiting."""
        if len(self._chunks) != 1:
            first, *rest = self._chunks or [b""]
            self._chunks = [b"".join((first[self._at :], *rest))]
            self._at = 0
        return self._chunks[0], self._at

    def take(self) -> tuple[bytes, int]:
        """As ``look``, and nothing waits any more."""
        found = self.look()
        self._chunks = []
        self._at = self.size = self._need = 0
        return found
