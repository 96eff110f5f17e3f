"""What the other side may do wrong: one class for each side, because each asks for another reaction."""

from __future__ import annotations


class ClientProtocolError(Exception):
    """The client broke the protocol: say so to it (FATAL, ``sqlstate``) and close both connections.

    ``protocol`` is the major version to answer in: a client of version 2 reads only ``messages.error_response_v2``.
    ``told`` is false where the server only writes to its log and closes: a client that ends before it begins
    (node-postgres sends a bare Terminate) takes an answer for an error.
    """

    def __init__(self, message: str, sqlstate: str = "08P01", *, protocol: int = 3, told: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.protocol = protocol
        self.told = told


class ServerProtocolError(Exception):
    """The server broke the protocol, or is none: nothing it says can be trusted, close both connections."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
