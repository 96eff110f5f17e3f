"""Doing: own queries on the client's connection, lock patience, plans step by step.

``connection``  queries and statements of our own on the upstream connection of one client
``patience``    look, then leap: how long to wait for a lock, and how
``leap``        the same, done
``execute``     a plan's steps in order, and back if one fails
``batches``     rows changed a few at a time; ``batch_sql`` is its SQL, ``pace`` its speed
``inside``      one short step in the transaction that the client has open
``watch``       how a build goes on, told while it runs
``monitor``     the connection beside the clients' that looks
``turn``        one plan at a time for a table
"""
