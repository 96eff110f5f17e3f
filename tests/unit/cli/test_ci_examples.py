"""The pre-commit hook, the GitHub Action and the GitLab job of ``examples/`` run the commands that there are."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.cli.check import command

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
BLOCKING = "BEGIN;\nALTER TABLE orders SET LOGGED;\nCOMMIT;\n"


def yaml_of(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text())


def sh(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script where ``interlock`` is this checkout's."""
    bin_ = folder / "bin"
    bin_.mkdir(exist_ok=True)
    (bin_ / "interlock").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m proxy "$@"\n')
    (bin_ / "interlock").chmod(0o755)
    environment = {"PATH": f"{bin_}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(folder), **variables}
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "migrations").mkdir(parents=True)
    (folder / "migrations" / "1.sql").write_text(BLOCKING)
    git = "git -c user.name=a -c user.email=a@b.example"
    done = sh(f"git init -q -b main && git add migrations && {git} commit -qm one", folder)
    assert done.returncode == 0, done.stderr
    (folder / "migrations" / "2.sql").write_text(BLOCKING.replace("orders", "customers"))
    return folder


def test_the_hook_stops_a_commit_that_would_block(repository: Path) -> None:
    hook = EXAMPLES / "pre-commit" / "interlock-check.sh"
    rejected = sh(f"{shlex.quote(str(hook))} migrations/1.sql", repository)
    assert (rejected.returncode, "reject  set-logged" in rejected.stdout) == (1, True)
    (repository / "fine.sql").write_text("CREATE TABLE t (a int);\n")
    assert sh(f"{shlex.quote(str(hook))} fine.sql", repository).returncode == 0
    assert sh(shlex.quote(str(hook)), repository).returncode == 0


@pytest.mark.parametrize("name", ["pre-commit/.pre-commit-hooks.yaml", "pre-commit/.pre-commit-config.yaml"])
def test_the_definitions_for_pre_commit_run_check(repository: Path, name: str) -> None:
    found = yaml_of(name)
    (hook,) = found if isinstance(found, list) else found["repos"][0]["hooks"]
    done = sh(f"{hook['entry']} migrations/1.sql", repository)
    assert (done.returncode, "reject" in done.stdout) == (1, True)


def test_the_action_annotates_what_the_pull_request_adds(repository: Path) -> None:
    action = yaml_of("github-action/action.yml")
    step = action["runs"]["steps"][-1]
    inputs = {name: given["default"] for name, given in action["inputs"].items()}
    base = sh("git rev-parse HEAD", repository).stdout.strip()
    variables = {"FILES": "migrations", "BASE": base, "INTERLOCK_POLICY": inputs["policy"]}
    done = sh(step["run"], repository, INTERLOCK_PG_VERSION=inputs["pg-version"], **variables)
    assert done.returncode == 1
    assert [line.partition(",line")[0] for line in done.stdout.splitlines()] == ["::error file=migrations/2.sql"]
    everything = sh(step["run"], repository, **{**variables, "BASE": ""})
    assert everything.stdout.count("::error") == 2
    assert set(step["env"]) == {"FILES", "BASE", "INTERLOCK_POLICY", "INTERLOCK_PG_VERSION"}


def test_the_variables_of_the_action_are_those_of_the_options() -> None:
    from proxy.cli import _read_environment

    _read_environment(command)
    known = {option.envvar for option in command.params}
    assert {"INTERLOCK_POLICY", "INTERLOCK_PG_VERSION"} <= known


def test_the_gitlab_job_writes_the_report_that_it_uploads(repository: Path) -> None:
    job = yaml_of("gitlab/.gitlab-ci.yml")["interlock-check"]
    base = sh("git rev-parse HEAD", repository).stdout.strip()
    done = sh(job["script"][-1], repository, CI_MERGE_REQUEST_DIFF_BASE_SHA=base)
    assert done.returncode == 1, done.stderr
    (entry,) = yaml.safe_load((repository / job["artifacts"]["reports"]["codequality"]).read_text())
    assert entry["location"]["path"] == "migrations/2.sql"
