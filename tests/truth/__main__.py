"""``python -m tests.truth [--pg 13,18] [--squawk PROGRAM]``: how right the predictions are, version by version.

Beside them squawk, a linter that reads text alone, on the same statements.  Exits 1 if anything is wrong that is not known.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests import servers
from tests.truth.oracle import Judgement
from tests.truth.suite import KNOWN, groups, run

# Its rules about scans, builds and rewrites under lock; the rest is about style and compatibility.
SQUAWK_RULES = frozenset(
    {
        "adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field", "adding-required-field",
        "adding-serial-primary-key-field", "changing-column-type", "constraint-missing-not-valid", "disallowed-unique-constraint",
        "require-concurrent-index-creation", "require-concurrent-reindex", "ban-alter-domain-with-add-constraint", "prefer-repack",
    }
)  # fmt: skip
COLUMNS = ("version", "rows", "refused", "hazards", "missed", "false alarms", "wrong locks", "assumed")
LINE = "{:>8} {:>6} {:>8} {:>8} {:>7} {:>13} {:>12} {:>8}"


def squawk(program: str, judged: Iterable[Judgement], version: int) -> tuple[int, int, int]:
    """Hazards, those that it misses, and its false alarms."""
    measured = [j for j in judged if not j.measured.refused]
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for number, one in enumerate(measured):
            path = Path(folder) / f"{number}.sql"
            path.write_text(f"{one.case.inside}\n{one.case.sql};\n")
            files[str(path)] = one
        command = [program, "--reporter", "json", "--pg-version", f"{version}.0", *files]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout or "[]")
    last = {
        path: path_text.count("\n") - 1
        for path, path_text in ((p, f"{o.case.inside}\n{o.case.sql};\n") for p, o in files.items())
    }
    alarmed = {f["file"] for f in found if f.get("rule_name") in SQUAWK_RULES and f["line"] >= last[f["file"]]}
    hazards = {path for path, one in files.items() if one.is_hazard}
    return len(hazards), len(hazards - alarmed), len(alarmed - hazards)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pg", default=",".join(map(str, servers.VERSIONS)))
    parser.add_argument("--group", action="append", help="only these groups of cases")
    parser.add_argument("--squawk", help="the program, to print its figures too")
    options = parser.parse_args()
    wrong: list[str] = []
    table: list[tuple[object, ...]] = []
    for version in map(int, options.pg.split(",")):
        server = servers.shared(version)
        judged = [j for group in options.group or groups() for j in run(server, group)]
        locks = [j for j in judged if any(not p.startswith("work:") for p in j.problems)]
        counts = [
            sum(bool(j.measured.refused) for j in judged), sum(j.is_hazard for j in judged), sum(j.is_miss for j in judged),
            sum(j.is_false_alarm for j in judged), len(locks), sum(not j.foretold.known for j in judged),
        ]  # fmt: skip
        table.append((version, len(judged), *counts))
        wrong += [
            f"{version} {j.case}: {'; '.join(j.problems)}" for j in judged if j.problems and j.case.sql not in KNOWN
        ]
        if options.squawk:
            hazards, missed, alarms = squawk(options.squawk, judged, version)
            table.append(("squawk", len(judged) - counts[0], "-", hazards, missed, alarms, "-", "-"))
    print(LINE.format(*COLUMNS))
    for row in table:
        print(LINE.format(*row))
    for sql, reason in KNOWN.items():
        print(f"known to be wrong: {sql}: {reason}")
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
