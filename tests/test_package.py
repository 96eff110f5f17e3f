"""What is published: a wheel and a source archive, with everything that the program reads, in an empty environment."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=110,
    )
    return folder


@pytest.mark.package
@pytest.mark.timeout(300)
def test_the_wheel_has_what_the_program_reads_and_works_by_itself(built: Path, tmp_path: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "proxy").rglob("*"):
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in names
    assert "proxy/policies/recommended.yaml" in names
    venv.create(tmp_path / "empty", with_pip=False)
    run = tmp_path / "empty/bin"
    pip = [sys.executable, "-m", "pip", "--python", str(run / "python"), "install", "--quiet", "--no-compile"]
    subprocess.run([*pip, f"{wheel}[admin]"], check=True, timeout=280)
    for arguments, said in (
        (["--version"], "interlock 0."),
        (["rules", "index-not-concurrent"], "# index-not-concurrent"),
        (["policy", "show", "strict"], "mode"),
        (["plan", "-c", "CREATE INDEX ON orders (email)"], "CONCURRENTLY"),
        (["completion", "zsh"], "_INTERLOCK_COMPLETE"),
    ):
        done = subprocess.run([run / "interlock", *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=60)
        assert said in done.stdout, done.stderr
    page = "from proxy.admin import http, page; page.render('login.html', wrong=False, known=True)"
    subprocess.run([run / "python", "-c", page], check=True, cwd=tmp_path, timeout=60)


@pytest.mark.package
def test_the_source_archive_makes_the_same_wheel(built: Path, tmp_path: Path) -> None:
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"proxy/cli/__init__.py", "policies/recommended.yaml", "README.md", "LICENSE", "pyproject.toml"} <= names
    assert not [name for name in names if name.startswith((".venv", ".interlock", "dist/"))]
