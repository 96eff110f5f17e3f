"""The savepoint that stands in front of what Interlock tries in the client's transaction."""

from __future__ import annotations

from typing import Final

SAVEPOINT: Final = "SAVEPOINT _interlock"
ROLLBACK: Final = "ROLLBACK TO SAVEPOINT _interlock"
RELEASE: Final = "RELEASE SAVEPOINT _interlock"

# How a step ends that was run behind it.
KEPT: Final = (RELEASE,)
TAKEN_BACK: Final = (ROLLBACK, RELEASE)
LEFT_OPEN: Final = ()
