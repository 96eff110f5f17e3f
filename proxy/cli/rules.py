"""``interlock rules``: the list of rules, or the page of one, offline."""

from __future__ import annotations

import sys
from difflib import get_close_matches

import click

from proxy.cli import Misuse

# Not rules, but named like them in policies and findings (proxy.policy.model).
UNREADABLE, SCHEMA_CHANGE = "unreadable-statement", "schema-change"
UNREADABLE_PAGE = f"""# {UNREADABLE}

A statement that Interlock cannot read.  What it locks is not known, so it is neither rewritten nor called safe.

The policy's `unreadable:` says what is done about it: `allow`, `warn` or `reject`.  What Postgres cannot read either
gets Postgres's own error.
"""

SCHEMA_CHANGE_PAGE = f"""# {SCHEMA_CHANGE}

Any statement that changes the schema, harmless or not.

Nothing is done about it unless an exception of the policy names it: for a freeze, say.

    exceptions:
      - match: {{ during: {{ days: [fri], from: "16:00", zone: Europe/Berlin }} }}
        rules: [{SCHEMA_CHANGE}]
        action: reject
        reason: Nobody is here to look after it until Monday.
"""
PAGES = {UNREADABLE: UNREADABLE_PAGE, SCHEMA_CHANGE: SCHEMA_CHANGE_PAGE}


@click.command()
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the rules, or show the page of one: what it is about, and what to do.

    \b
    interlock rules
    interlock rules index-not-concurrent
    """
    from proxy.rules.base import rules

    known = rules()
    if name is None:
        width = max(map(len, known), default=0)
        for rule in known.values():
            click.echo(f"{rule.name:<{width}}  {rule.summary}")
        click.echo("The page of one: interlock rules NAME", err=True)
    elif name in PAGES:
        show(PAGES[name])
    elif name in known:
        show(known[name].page)
    else:
        near = get_close_matches(name, known, n=1)
        raise Misuse(
            f"no rule '{name}'" + (f" (did you mean '{near[0]}'?)" if near else "") + "; list them: interlock rules"
        )


def show(page: str) -> None:
    """The Markdown as it is when piped, set for reading on a terminal."""
    if not sys.stdout.isatty():
        click.echo(page, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console(width=min(100, Console().width)).print(Markdown(page))
