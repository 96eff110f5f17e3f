"""One way to a server: directly, or through an Interlock in one of its modes.

``rewrite`` is for Postgres's own scripts: every table counts as large, and nothing is rejected or warned of, so that as much as
can be is done in another way than the scripts say, with the same results.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from proxy.policy.load import load
from proxy.policy.verdict import Action
from proxy.rules.base import rules
from tests import proxies, servers
from tests.proxies import Proxy
from tests.servers import Server

WAYS = ("direct", "observe", "enforce", "rewrite")
SETTINGS = {"wal_level": "logical", "max_wal_senders": 10, "max_replication_slots": 10, "max_prepared_transactions": 10}


@dataclass(frozen=True, slots=True)
class Place:
    """A server of its own, so that one run's roles and settings are not another's."""

    way: str
    server: Server
    proxy: Proxy | None
    folder: Path

    def url(self, database: str = "postgres") -> str:
        return self.proxy.url(database) if self.proxy else self.server.url(database)

    def faults(self) -> list[str]:
        """What must never be: tracebacks, a proxy that ended, sessions that stay when their clients have gone."""
        if self.proxy is None:
            return []
        if self.proxy.process.poll() is not None:
            return [f"interlock serve ended with {self.proxy.process.returncode}"]
        lines = self.proxy.stderr_text().splitlines()
        return [line for line in lines if "Traceback" in line or "internal error" in line]


@contextlib.contextmanager
def place(version: int, way: str) -> Iterator[Place]:
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # each record of the audit log is synced
    with tempfile.TemporaryDirectory(prefix="interlock-transparency-", dir=memory) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = servers.start(version, settings=SETTINGS)
        proxy = None
        try:
            if way != "direct":
                proxy = proxies.start(server, folder, policy=_policy(way, folder))
            yield Place(way, server, proxy, folder)
        finally:
            if proxy is not None and proxy.process.poll() is None:
                proxy.stop()
            server.stop()


def _policy(way: str, folder: Path) -> str:
    if way != "rewrite":
        return {"observe": "observe", "enforce": "recommended"}[way]
    recommended = load("recommended")
    silent = {name: "allow" for name in rules() if recommended.rule(name).action is not Action.REWRITE}
    file = folder / "policy.yaml"
    file.write_text(
        yaml.safe_dump({"version": 1, "extends": "recommended", "small_tables": {"under": "0kB"}, "rules": silent})
    )
    return str(file)
