"""What ``check`` prints, in each of its formats."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli.inputs import paint

if TYPE_CHECKING:
    from proxy.judge import Judged

FORMATS = ("text", "json", "github", "sarif", "gitlab")


def format_of(given: str | None, environment: Mapping[str, str]) -> str:
    """The format that was asked for; without one, the one that whoever runs us shows best."""
    return given or ("github" if environment.get("GITHUB_ACTIONS") == "true" else "text")


def report(files: list[tuple[str, list[Judged]]], form: str, *, left_out: int = 0) -> None:
    """Findings to stdout, the summary to stderr; ``left_out``: parts that take migrations back."""
    from proxy.render import document, github, gitlab, review, sarif, text

    remarks = review.remarks([(in_repository(name), judged) for name, judged in files])
    match form:
        case "json":
            print_json(document.document(files))
            return  # it has a summary of its own
        case "sarif":
            print_json(sarif.log(remarks))
        case "gitlab":
            print_json(gitlab.report(remarks))
        case "github":
            for command in github.commands(remarks):
                click.echo(command)
        case _:
            for name, judged in files:
                for block in text.text(name, judged, paint=paint):
                    click.echo(block)
    click.echo(text.summary(files, left_out=left_out), err=True)


def in_repository(name: str) -> str:
    """The path of a file from the top of its repository; from here if it is in none; empty for what is no file."""
    if name in ("-", "-c"):
        return ""
    path, here = Path(os.path.abspath(name)), Path.cwd()
    top = next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)
    return (path.relative_to(top) if path.is_relative_to(top) else path).as_posix()


def print_json(document: Any) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace"))
