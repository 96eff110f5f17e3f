"""The wire: Postgres's frontend/backend protocol 3 as bytes, without sockets and without SQL.

``startup``       the packets that open a connection: StartupMessage, SSLRequest, CancelRequest …
``messages``      single messages: built from values, read into values
``conversation``  what was asked and not yet answered: transaction status, pipeline, COPY
``relay``         both streams of one connection: what goes on, what is held, what is captured
``replies``       the server's half of it
``backlog``       bytes that wait for the rest of their message
``trace``         messages as text, one a line, in libpq's words
``errors``        the two ways to break the protocol, one for each side
"""
