"""Rails' ActiveRecord: a transaction for each migration, the lock on a second connection.

It is Debian's (apt-get install ruby-activerecord ruby-pg) or any other that ``ruby`` finds.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

from tests.tools.scenario import Tool, run_program, sources
from tests.tools.ways import Ran, Way

MIGRATIONS = sources("rails/migrations", "migrations/")


@functools.cache
def absent() -> str | None:
    test = ["ruby", "-e", 'require "active_record"; require "pg"']
    if shutil.which("ruby") and subprocess.run(test, capture_output=True).returncode == 0:
        return None
    return "no Ruby with activerecord and pg: apt-get install ruby-activerecord ruby-pg"


def rails(folder: Path, way: Way, command: str = "migrate") -> Ran:
    return run_program(folder, "ruby", "migrate.rb", command, env={"DATABASE_URL": way.url})


RAILS = Tool(
    "Rails 6.1 (pg 1.4)",
    MIGRATIONS,
    rails,
    folder="rails",
    back=functools.partial(rails, command="rollback"),
    remedied={
        path: text.replace("[6.1]\n", "[6.1]\n  disable_ddl_transaction!\n\n", 1)
        for path, text in MIGRATIONS[-1].items()
    },
    shown=("in Rails: put disable_ddl_transaction! into the migration class",),
    absent=absent,
)
TOOLS = {"rails": RAILS}
