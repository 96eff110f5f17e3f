"""What touches sqlglot, tested with the oldest and the newest that pyproject.toml allows, plain and compiled.

python -m tests.sqlglot_versions [--sample] [VERSION …]

Each release is put into a folder of its own in the test cache and stands before the installed one; ``c`` behind a version adds
its compiled form, sqlglotc, and ``r`` the tokenizer in Rust that it had until 29, sqlglotrs.  ``--sample`` runs fewer tests, for CI,
where the newest plain one is installed anyway.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.binaries import CACHE

ROOT = Path(__file__).parent.parent
VERSIONS = ("26.0.0", "26.0.0r", "28.10.0r", "30.30.0", "30.30.0c")  # the oldest, the newest, and compiled ones
SAMPLED = ("26.0.0", "26.0.0r", "30.30.0c")
SAMPLE = ("tests/unit/sql/test_expression.py", "tests/unit/sql/test_opinion.py", "tests/unit/rules/test_pages.py")
TESTS = ("tests/unit/sql/test_expression.py", "tests/unit/sql/test_opinion.py", "tests/unit/rules", "tests/unit/catalog", "tests/unit/plans")  # fmt: skip


def installed(version: str) -> Path:
    """The folder of a release, fetched if need be.  Raises CalledProcessError."""
    folder = CACHE / f"sqlglot-{version}-{sys.version_info[0]}.{sys.version_info[1]}"
    if not (folder / ".complete").exists():
        plain = version.rstrip("cr")
        packages = [f"sqlglot{'[rs]' if version.endswith('r') else ''}=={plain}"]
        packages += [f"sqlglotc=={plain}"] if version.endswith("c") else []
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--upgrade", "--target", str(folder), *packages], check=True
        )
        (folder / ".complete").touch()
    return folder


def passes(version: str, tests: Sequence[str]) -> bool:
    folder = installed(version)
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    told = (
        "import sqlglot, sqlglot.parser as p, sqlglot.tokens as t;"
        "print('sqlglot', sqlglot.__version__, 'from', p.__file__, 'sqlglotrs:', bool(getattr(t, 'USE_RS_TOKENIZER', False)))"
    )
    subprocess.run([sys.executable, "-c", told], env=environment, cwd=ROOT, check=True)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pg", "18", *tests]
    return subprocess.run(command, env=environment, cwd=ROOT).returncode == 0


def main(arguments: list[str]) -> int:
    sample = "--sample" in arguments
    versions = [one for one in arguments if one != "--sample"] or (SAMPLED if sample else VERSIONS)
    failed = [version for version in versions if not passes(version, SAMPLE if sample else TESTS)]
    print(f"failed with sqlglot {', '.join(failed)}" if failed else "all passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
