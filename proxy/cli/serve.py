"""``interlock serve``: the proxy itself."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click
import yaml

from proxy.cli import Misuse, login
from proxy.cli.beside import admin_options
from proxy.cli.logs import log_to_stderr
from proxy.cli.running import embedded, run


def read_config(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """Make the keys of a config file (the flags' names) the defaults of the other options."""
    if path is None:
        return None
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise Misuse(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise Misuse(f"{place}: {getattr(error, 'problem', None) or 'this is no YAML'}") from None
    if node is None:
        return path
    if not isinstance(node, yaml.MappingNode):
        raise Misuse(f"{path}:1:1: expected keys and values, such as 'listen: 127.0.0.1:6432'")
    known = {p.name: p for p in context.command.params if p.name not in (None, "config")}
    problems = []
    values: dict[str, Any] = {}
    for key, value in node.value:
        name = str(key.value).replace("-", "_")
        if name not in known:
            from proxy.policy.model import did_you_mean

            guess = did_you_mean(name, [k for k in known if k])
            problems.append(
                f"{path}:{key.start_mark.line + 1}:{key.start_mark.column + 1}: unknown key '{key.value}'{guess}"
            )
            continue
        values[name] = yaml.safe_load(yaml.serialize(value))
    if problems:
        raise Misuse("\n".join(problems))
    context.default_map = {**(context.default_map or {}), **values}
    return path


@click.command(context_settings={"show_default": True})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,
    callback=read_config,
    help="YAML file with these options as keys.",
)
@click.option(
    "--upstream",
    metavar="URL",
    help="The Postgres to guard: a libpq URL or connection string; several hosts, service=… and sslmode=… as libpq takes them.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    multiple=True,
    default=["127.0.0.1:6432"],
    help="Where clients connect; /DIR:PORT for a Unix socket. May be given several times.",
)
@click.option(
    "--policy", metavar="NAME|FILE", default="recommended", help="recommended, strict, observe, or a YAML file."
)
@click.option("--audit", metavar="FILE|-", help="Write the record of every decision to this file, or to stdout.")
@click.option(
    "--audit-max-size",
    metavar="MB",
    type=click.IntRange(1),
    help="Rename the audit file when it grows past this, and go on in a new one.",
)
@click.option(
    "--embedded",
    metavar="DIR",
    is_flag=False,
    flag_value=".interlock/postgres",
    help="Start a Postgres 18 of our own, with its data in DIR (.interlock/postgres), instead of --upstream.",
)
@click.option(
    "--monitor",
    metavar="URL",
    help="Another login to the upstream, to look from beside while a client's connection is busy with a build: progress, and who"
    " is waited for. Its role sees what other roles do only as a member of pg_read_all_stats or pg_monitor.",
)
@admin_options
@login.options
@click.option(
    "--mark-sessions",
    is_flag=True,
    help="Give each session at the upstream the setting interlock.via, by which the guard knows it (doctor --install-guard).",
)
@click.option(
    "--login-timeout",
    metavar="SECONDS",
    type=click.FloatRange(0.1),
    default=60.0,
    help="How long a client may take to say who it is.",
)
@click.option(
    "--drain-timeout",
    metavar="SECONDS",
    type=click.FloatRange(0),
    default=60.0,
    help="How long SIGTERM waits for transactions and plans to end.",
)
@click.option(
    "--max-clients",
    metavar="N",
    type=click.IntRange(0),
    default=0,
    help="Refuse more clients than this; 0 for no limit.",
)
@click.option(
    "--max-clients-per-user",
    metavar="N",
    type=click.IntRange(0),
    default=0,
    help="Likewise of one user, of each worker; 0 for no limit.",
)
@click.option(
    "--max-clients-per-address",
    metavar="N",
    type=click.IntRange(0),
    default=0,
    help="Likewise from one address, in each worker; 0 for no limit.",
)
@click.option(
    "--max-statement",
    metavar="MB",
    type=click.IntRange(1, 1024),
    default=64,
    help="Refuse a statement whose text is longer.",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1, 64),
    default=1,
    help="Serve with this many processes, which share the port and the audit log. Limits per user and address count in each.",
)
@click.option(
    "--cross-check",
    is_flag=True,
    help="Log a warning where stock sqlglot reads a guarded statement otherwise; nothing else changes.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    help="What is told on stderr.",
)
def command(**options: Any) -> None:
    """Run the proxy.

    \b
    interlock serve --upstream postgres://db.example:5432 --listen 127.0.0.1:6432
    DATABASE_URL=postgres://app@127.0.0.1:6432/shop  rails db:migrate

    Clients prove themselves to the upstream; Interlock keeps no password, unless --auth says so.  SIGHUP reads
    policy, certificates and users again, SIGTERM ends when the work in progress has ended.
    """
    log_to_stderr(options["log_level"], options["log_format"])
    if options["cross_check"]:
        logging.getLogger("interlock.opinion").setLevel(logging.WARNING)
    if not options["upstream"] and not options["embedded"]:
        raise Misuse("say which Postgres to guard: --upstream URL, or --embedded for one of our own")
    if options["upstream"] and options["embedded"]:
        raise Misuse("--upstream and --embedded exclude each other")
    login.warn_of_passwords(click.get_current_context())
    with embedded(options["embedded"]) as url:
        run({**options, "upstream": url or options["upstream"]})
