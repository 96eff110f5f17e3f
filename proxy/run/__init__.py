"""Doing: own queries on the client's connection, lock patience, plans step by step.

``connection``  queries and statements of our own on the upstream connection of one client
``patience``    look, then leap: how long to wait for a lock, and how
``execute``     a plan's steps in order, and back if one fails
``turn``        one plan at a time for a table
"""
