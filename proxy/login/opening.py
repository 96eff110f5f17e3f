"""A connection's opening packets: what it is for, and TLS where it is asked for.

Source: Postgres docs, "Frontend/Backend Protocol", Start-up, SSL Session Encryption.
"""

from __future__ import annotations

from proxy.login.front import Front
from proxy.net import Peer
from proxy.wire.errors import ClientProtocolError
from proxy.wire.startup import CancelRequest, DirectTLS, GSSENCRequest, SSLRequest, Startup, read_startup


async def receive(client: Peer, front: Front | None) -> tuple[Startup | CancelRequest | None, bytes]:
    """The packet that says what the connection is for, and what came behind; None if the client left without (a health check).

    Raises ClientProtocolError, ssl.SSLError and OSError.  The caller bounds the time.
    """
    if front is not None and front.mode == "disable":
        front = None
    data = b""
    asked: set[type] = set()
    while True:
        found = read_startup(data, first=not asked and client.tls is None)
        if found is None:
            more = await client.receive()
            if not more:
                return None, b""
            data += more
            continue
        packet, used = found
        match packet:
            case Startup() | CancelRequest():
                return packet, data[used:]
            case DirectTLS():
                if front is None:
                    raise ClientProtocolError("TLS is not configured here (serve --tls-cert, --tls-key)")
                await client.start_tls(front.context, server_side=True, already=data)
                if client.tls is not None and client.tls.selected_alpn_protocol() != "postgresql":
                    raise ClientProtocolError(
                        "received direct SSL connection request without ALPN protocol negotiation extension"
                    )
                data = b""
            case SSLRequest() | GSSENCRequest():
                if type(packet) in asked or client.tls is not None:
                    raise ClientProtocolError("unexpected second request for encryption")
                asked.add(type(packet))
                if len(data) > used:
                    # Somebody on the way put plain bytes in front of what will be encrypted (CVE-2021-23214).
                    raise ClientProtocolError("received unencrypted data after SSL request")
                data = b""
                if isinstance(packet, SSLRequest) and front is not None:
                    client.write(b"S")
                    await client.start_tls(front.context, server_side=True)
                else:
                    client.write(b"N")
