"""One client's story.

``session``   the two sockets, the relay between them, and the task that settles what it holds
``prepared``  which prepared statements and portals hold something guarded
``settling``  what the relay holds: passed on, answered, or replaced
``examine``   one guarded text: its statements, their facts and verdicts
``guard``     doing what was decided about it, and recording that
``case``      one statement with its facts and verdict; how it runs as it is
``answers``   the words and bytes that the client gets for a verdict
``explain``   ``EXPLAIN <ddl>`` and ``SHOW interlock.…`` as queries that the server answers
"""
