"""Bytes and texts that nobody sane sends: nothing may break but in the ways that are meant."""
