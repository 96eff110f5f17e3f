"""Interlock: a Postgres proxy that makes schema migrations safe.

``wire``     bytes of the protocol: frames, messages, the state of a connection (no sockets)
``sql``      text: tokens, statements and where each of their parts stands (no meaning)
``catalog``  facts: what the database says about the relations that a statement names
``plans``    data: steps of SQL, each with its lock, that reach the author's schema without blocking
``rules``    findings: what a statement would block, and the plan to use instead
``policy``   verdicts: what the YAML says is to be done about the findings
``run``      doing: own queries on the client's connection, lock patience, plans step by step
``audit``    the record of every decision, as a chain
``session``  one client's story; ``server`` listens; ``cli`` parses arguments and prints
"""

__version__ = "0.1.0"
