"""The record of every decision: JSON Lines, each line chained to the one before it by SHA-256.

``record``   what one decision looks like as a dict
``redact``   SQL without its secrets
``chain``    one line: how it is written, read and hashed
``sink``     where lines go: a file that resumes and rotates, or stdout
``verify``   whether lines were edited, removed, moved or cut off since
"""
