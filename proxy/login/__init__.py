"""How a connection begins: encryption, who may come, and who proves what to whom.

``opening``     the packets before the StartupMessage, TLS included
``front``       the certificate that clients see, and its replacement while running
``screen``      pass-through: what no proxy can pass on is refused with a reason
``scram``       SCRAM-SHA-256 from both ends, pure
``users``       Interlock's own users, for the terminated mode
``secret``      where Interlock's own password at the upstream comes from
``receive``     the terminated mode, towards the client
``onward``      the terminated mode, towards the server
"""
