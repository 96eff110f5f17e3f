"""What stands in the deployment files, run without the programs that they are for: containers, clusters, CI services."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import httpx
import jsonschema
import kubernetes_validate
import psycopg
import pytest
import yaml

from proxy.cli import COMMANDS, main
from tests import proxies, servers
from tests.binaries import client
from tests.live.test_admin_http import site
from tests.servers import Server
from tests.unit.cli.test_main import options_of

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "examples/kubernetes"
MANIFESTS = sorted(
    set(KUBERNETES.glob("*.yaml"))
    - {KUBERNETES / name for name in ("kustomization.yaml", "interlock.yaml", "policy.yaml")}
)
FOLDER = str(Path(sys.executable).parent)


@pytest.fixture(scope="module")
def server() -> Server:
    return servers.shared(18)


@pytest.fixture
def shop(server: Server) -> Iterator[str]:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE shop")
    yield server.url("shop")
    server.drop_database("shop")


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


# ---------------------------------------------------------------- containers


def test_what_the_image_copies_is_there_and_not_left_out() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    kept = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert name in kept, f".dockerignore leaves out {name}"


def test_compose_is_what_docker_takes() -> None:
    """By the Compose Specification's own schema; and by ``docker compose config``, where that is."""
    schema = json.loads((ROOT / "tests/schemas/compose-spec.json").read_text())
    taken = jsonschema.Draft7Validator(schema)
    taken.validate(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))
    wrong = {"services": {"a": {"image": "x", "depend_on": ["b"]}}}
    with pytest.raises(jsonschema.ValidationError, match="depend_on"):
        taken.validate(wrong)
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, timeout=60).returncode == 0:
        done = subprocess.run(
            [docker, "compose", "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert not done.stderr


def test_compose_without_docker(shop: str, server: Server, tmp_path: Path) -> None:
    """The services' own commands, with this machine's addresses, and the commands of the file's head."""
    text = (ROOT / "docker-compose.yml").read_text()
    services = yaml.safe_load(text)["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
    here = shop.rpartition("@")[2].partition("/")[0]
    writer = [part.replace("postgres:5432", here) for part in services["writer"]["entrypoint"]]
    writer = [sys.executable, *writer[1:], "--rows", "20000"]
    application = subprocess.Popen(writer, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    environment = {
        name: str(value).replace("postgres:5432", here) for name, value in services["interlock"]["environment"].items()
    }
    environment["INTERLOCK_ADMIN"] = "*:0"
    environment["INTERLOCK_ADMIN_TOKEN_FILE"] = str(ROOT / yaml.safe_load(text)["secrets"]["interlock_token"]["file"])
    running = proxies.start(server, tmp_path, env=environment)
    try:
        assert application.stdout is not None
        for line in application.stdout:
            if "statements, worst" in line:
                break
        commands = re.findall(r"^#   psql (\S+) -c \"(.+?)\"", text, re.MULTILINE)
        assert len(commands) == 3
        for url, sql in commands:
            address = url.replace("127.0.0.1:5432", here).replace("127.0.0.1:6432", f"127.0.0.1:{running.port}")
            done = subprocess.run(
                [client("psql"), "-X", address, "-c", sql], capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, done.stderr
        port = site(running).rpartition(":")[2]
        check = re.search(r"^  CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        assert check is not None
        health = [sys.executable, *json.loads(check[1])[1:]]
        subprocess.run(health, check=True, env={**os.environ, "INTERLOCK_ADMIN": f"127.0.0.1:{port}"}, timeout=30)
        token = (ROOT / "examples/demo-token").read_text().strip()
        page = httpx.get(f"http://127.0.0.1:{port}/status", headers={"Authorization": f"Bearer {token}"}).text
        assert "kind_idx" in page
        assert "slow_idx" not in page
    finally:
        application.terminate()
        application.wait(20)
        running.stop()


# ---------------------------------------------------------------- clusters


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_are_what_kubernetes_takes(path: Path) -> None:
    for one in documents(path):
        kubernetes_validate.validate(one, "1.29", strict=True)


def built() -> dict[str, dict[str, Any]]:
    """What ``kubectl apply -k`` would send, by kind and name; as the files have it where there is no kubectl."""
    program = shutil.which("kubectl")
    if program is None:
        found = [one for path in MANIFESTS for one in documents(path)]
    else:
        done = subprocess.run([program, "kustomize", str(KUBERNETES)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        found = list(yaml.safe_load_all(done.stdout))
        for one in found:
            kubernetes_validate.validate(one, "1.29", strict=True)
            assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "interlock"
    return {f"{one['kind']}/{one['metadata']['name'].partition('-gc')[0]}": one for one in found}


def test_what_kustomize_makes_of_them() -> None:
    """Several proxies, one of which is always there; found by the service; open to those who migrate, and to nobody else."""
    [kustomization] = documents(KUBERNETES / "kustomization.yaml")
    files = kustomization["resources"] + [name for one in kustomization["configMapGenerator"] for name in one["files"]]
    assert all((KUBERNETES / name).exists() for name in files)
    every = built()
    deployment = every["Deployment/interlock"]["spec"]
    budget = every["PodDisruptionBudget/interlock"]["spec"]
    policy = every["NetworkPolicy/interlock"]["spec"]
    ours = {"matchLabels": {"app.kubernetes.io/name": "interlock"}}
    assert deployment["selector"] == budget["selector"] == policy["podSelector"] == ours
    assert deployment["template"]["metadata"]["labels"].items() >= ours["matchLabels"].items()
    for name in ("interlock", "interlock-admin"):
        assert every[f"Service/{name}"]["spec"]["selector"] == ours["matchLabels"]
    assert deployment["replicas"] > budget["minAvailable"]
    [pods, monitoring] = [one["from"] for one in policy["ingress"]]
    [migration] = documents(KUBERNETES / "migrate.yaml")
    assert [one["podSelector"] for one in pods] == [
        {"matchLabels": migration["spec"]["template"]["metadata"]["labels"]}
    ]
    assert "podSelector" not in monitoring[0]


def test_the_deployment_is_as_the_configuration_wants_it() -> None:
    pod = built()["Deployment/interlock"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert re.search(rf"^USER {pod['securityContext']['runAsUser']}$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert (container["readinessProbe"]["httpGet"]["path"], container["livenessProbe"]["httpGet"]["path"]) == (
        "/readyz",
        "/healthz",
    )
    options = yaml.safe_load((KUBERNETES / "interlock.yaml").read_text())
    assert pod["terminationGracePeriodSeconds"] > options["drain_timeout"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert options["listen"] == [f"0.0.0.0:{ports['postgres']}"]
    assert options["admin"] == f"0.0.0.0:{ports['admin']}"


@pytest.mark.parametrize("path", ["kubernetes/interlock.yaml", "systemd/interlock.yaml"])
def test_the_configuration_is_taken(path: str, server: Server, tmp_path: Path) -> None:
    options = yaml.safe_load((ROOT / "examples" / path).read_text())
    for name in ("admin_token_file", "stats_token_file"):
        if name in options:
            (tmp_path / name).write_text(f"a-token-of-{name}\n")
            options[name] = str(tmp_path / name)
    options |= {"listen": ["127.0.0.1:0"], "admin": "127.0.0.1:0", "upstream": server.url()}
    if str(options["policy"]).endswith(".yaml"):
        options["policy"] = str(KUBERNETES / Path(options["policy"]).name)
    if options["audit"] != "-":
        options["audit"] = str(tmp_path / "audit.jsonl")
    (tmp_path / "interlock.yaml").write_text(yaml.safe_dump(options))
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(tmp_path / "interlock.yaml")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    running = proxies.Proxy(server, tmp_path / "audit.jsonl", process)
    running.wait_ready(20)
    assert running.stop() == 0


def test_the_unit_is_what_systemd_takes(tmp_path: Path) -> None:
    text = (ROOT / "examples/systemd/interlock.service").read_text()
    assert "ExecReload=/bin/kill -HUP $MAINPID" in text
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.fail("the unit is checked by systemd-analyze, and there is none here: apt-get install systemd")
    shutil.copy(ROOT / "examples/systemd/interlock.socket", tmp_path)
    (tmp_path / "interlock.service").write_text(text.replace("/opt/interlock/bin/interlock", f"{FOLDER}/interlock"))
    done = subprocess.run(
        [program, "verify", str(tmp_path / "interlock.service"), str(tmp_path / "interlock.socket")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if "interlock." in line]
    assert not said, said


# ---------------------------------------------------------------- continuous integration


def steps(path: str) -> list[str]:
    found = yaml.safe_load((ROOT / "examples/ci" / path).read_text())["migrate" if "gitlab" in path else "jobs"]
    if "gitlab" in path:
        return [*found["script"], *found["after_script"]]
    return [step["run"] for step in found["migrate"]["steps"] if "run" in step and not step["run"].startswith("pip ")]


@pytest.mark.parametrize("path", ["github-service.yml", "gitlab-service.yml"])
def test_the_recipes_run(path: str, shop: str, tmp_path: Path) -> None:
    here = shop.rpartition("@")[2].partition("/")[0]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations/0042.sql").write_text(
        "CREATE TABLE a (id bigint PRIMARY KEY, b int);\nCREATE INDEX CONCURRENTLY a_b_idx ON a (b);\n"
    )
    script = "\n".join(steps(path)).replace("postgres@127.0.0.1:5432", f"postgres@{here}").replace("db:5432", here)
    script = script.replace("postgres@127.0.0.1:6432", f"postgres@127.0.0.1:{port}").replace("-p 6432", f"-p {port}")
    script = script.replace("interlock serve", f"interlock serve --listen 127.0.0.1:{port}")
    binaries = f"{FOLDER}:{Path(client('psql')).parent}"
    environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "PGPASSWORD": "postgres"}
    done = subprocess.run(
        ["bash", "-e", "-c", f"trap 'kill %1' EXIT\n{script}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CREATE INDEX" in (tmp_path / "migrations.html").read_text()


def test_every_option_that_an_example_sets_exists() -> None:
    context = click.Context(main)
    commands = [command for name in COMMANDS if (command := main.get_command(context, name)) is not None]
    known = {option.envvar for command in commands for option in options_of(command)}
    for path in [*ROOT.glob("examples/**/*.y*ml"), ROOT / "docker-compose.yml", ROOT / "Dockerfile"]:
        for name in re.findall(r"\bINTERLOCK_[A-Z_]+\b", path.read_text()):
            assert name in known, f"{path.name}: {name}"
