"""What a session has set for statements of its own, and what does not count for jobs that are done on it: the policy bounds those.

Under ``default_transaction_read_only`` nothing could be written where the author's own transaction was READ WRITE.
Source: Postgres docs, "Statement Behavior" (20.11.1).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator

from proxy.catalog.facts import Setting
from proxy.run.asking import Asking
from proxy.run.connection import SET_CONFIG, ServerError
from proxy.run.errors import surely
from proxy.run.settings import as_before

log = logging.getLogger("interlock")

ASIDE = {"default_transaction_read_only": "off", "statement_timeout": "0", "transaction_timeout": "0"}
_SETTINGS = (
    "/* interlock */ SELECT s.name, pg_catalog.current_setting(s.name), s.source FROM pg_catalog.pg_settings s"
    f" WHERE s.name OPERATOR(pg_catalog.=) ANY (ARRAY[{', '.join(repr(name) for name in ASIDE)}]::pg_catalog.text[])"
)


@contextlib.asynccontextmanager
async def unbound(own: Asking) -> AsyncIterator[None]:
    """Put it aside while the block runs, as far as it lets us; outside a transaction.  Raises ServerError, ConnectionLost."""
    known: dict[str, Setting] = {}
    try:
        for row in await surely(lambda: own.fetch(_SETTINGS)):
            name, value, source = ((column or b"").decode() for column in row)
            if value != ASIDE[name]:
                known[name] = Setting(value, source)
        if known:
            put = [(SET_CONFIG, (name, ASIDE[name], "false")) for name in known]
            await surely(lambda: own.run(put, notices=False))
    except ServerError as error:  # the block hears of it, if that is in its way
        log.warning("settings cannot be put aside for jobs: %s", error)
        known = {}
    try:
        yield
    finally:
        if known and not own.is_lost:
            back = [as_before(name, setting) for name, setting in known.items()]
            await surely(lambda: own.run(back, notices=False))


__all__ = ["unbound"]
