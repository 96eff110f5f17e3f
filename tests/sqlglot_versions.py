"""What touches sqlglot, tested with the oldest and the newest that pyproject.toml allows, plain and compiled.

python -m tests.sqlglot_versions [VERSION …]

Each release is put into a folder of its own in the test cache and stands before the installed one; ``c`` behind a version adds
its compiled form, sqlglotc.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.binaries import CACHE

ROOT = Path(__file__).parent.parent
VERSIONS = ("26.0.0", "30.30.0", "30.30.0c")  # the oldest, the newest, the newest compiled
TESTS = ("tests/unit/sql/test_expression.py", "tests/unit/sql/test_opinion.py", "tests/unit/rules", "tests/unit/catalog", "tests/unit/plans")  # fmt: skip


def installed(version: str) -> Path:
    """The folder of a release, fetched if need be.  Raises CalledProcessError."""
    folder = CACHE / f"sqlglot-{version}-{sys.version_info[0]}.{sys.version_info[1]}"
    if not (folder / ".complete").exists():
        plain = version.removesuffix("c")
        packages = [f"sqlglot=={plain}", *([f"sqlglotc=={plain}"] if version != plain else [])]
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--upgrade", "--target", str(folder), *packages], check=True
        )  # fmt: skip
        (folder / ".complete").touch()
    return folder


def passes(version: str) -> bool:
    folder = installed(version)
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    told = "import sqlglot, sqlglot.parser as p; print('sqlglot', sqlglot.__version__, 'from', p.__file__)"
    subprocess.run([sys.executable, "-c", told], env=environment, cwd=ROOT, check=True)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pg", "18", *TESTS]
    return subprocess.run(command, env=environment, cwd=ROOT).returncode == 0


def main(versions: list[str]) -> int:
    failed = [version for version in versions or VERSIONS if not passes(version)]
    print(f"failed with sqlglot {', '.join(failed)}" if failed else "all passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
