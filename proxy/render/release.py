"""A log of decisions as one page for people: what ran, what was rewritten, what was blocked for how long.

One HTML file with nothing outside it: it opens offline, prints, and can be attached to a ticket.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

Record = Mapping[str, Any]
ACTIONS = ("rewrite", "defer", "warn", "reject", "allow")
MOST = 500  # statements that are shown whole; the numbers are of all
STYLE = """
:root { color-scheme: light dark; --ink: #1c1f24; --soft: #5b636e; --line: #d6d9dd; --paper: #fff; --code: #f3f4f2; --blue: #1a55b8; --bad: #b3261e; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e7e9ec; --soft: #a2abb6; --line: #3a4049; --paper: #15181c; --code: #22272e; --blue: #8ab4f8; --bad: #ff8a80; } }
* { box-sizing: border-box; } body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); } h3 { font-size: 1rem; margin: 0; }
.meta { color: var(--soft); font-size: .9rem; } .bad { color: var(--bad); }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; margin: 1.5rem 0; padding: 0; list-style: none; } .figures b { display: block; font-size: 1.8rem; line-height: 1.1; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; } th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; font-weight: 400; overflow-wrap: anywhere; }
thead th { color: var(--soft); font-size: .82rem; } .n { text-align: right; white-space: nowrap; }
.scroll { overflow-x: auto; } p { overflow-wrap: anywhere; }
pre { background: var(--code); padding: .4rem .6rem; border-radius: 5px; white-space: pre-wrap; overflow-wrap: anywhere; font: .85rem/1.4 ui-monospace, monospace; margin: .3rem 0; }
article { border-top: 1px solid var(--line); padding: .7rem 0; break-inside: avoid; } .sides { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; } .sides > div { min-width: 0; }
@media (max-width: 40rem) { .sides { grid-template-columns: 1fr; } }
@media print { body { margin: 0; max-width: none; font-size: 10.5pt; } h2 { break-after: avoid; } pre { border: 1px solid #ccc; background: none; } a { color: inherit; } }
"""


@dataclass(slots=True)
class Sums:
    """Of some of the statements."""

    actions: Counter[str] = field(default_factory=Counter)
    blocked_ms: float = 0.0
    took_ms: float = 0.0

    def add(self, record: Record) -> None:
        self.actions[record["action"]] += 1
        self.blocked_ms = max(self.blocked_ms, blocked_ms(record))
        self.took_ms += record.get("took_ms", 0)


def blocked_ms(record: Record) -> float:
    """For how long at most the application was blocked by it."""
    return max((float(step.get("blocked_ms", 0)) for step in record.get("steps", ())), default=0.0)


def duration(ms: float) -> str:
    if ms < 1000:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.1f} s" if ms < 120_000 else f"{ms / 60_000:.0f} min"


def html(records: Sequence[Record], *, title: str, verified: str, intact: bool) -> str:
    """``records`` in their order; ``verified`` is what can be said of the log itself."""
    first, last = (records[0]["at"], records[-1]["at"]) if records else ("", "")
    by_hand = [record for record in records if "by_hand" in record]
    records = [record for record in records if "by_hand" not in record]
    every = Sums()
    for record in records:
        every.add(record)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="meta">{escape(_period(first, last))}</p>',
        _figures(records, every),
        *_section("By tool and author", _by(records, ("tool", "author"), _whose)),
        *_section("By rule", _by(records, ("rule",), lambda r: (_rule(r) or "none",))),
        *_section("Blocked longest", _longest(records)),
        *_section("Exceptions and overrides used", _exceptions(records)),
        *_section("Jobs done, tried again and given up by hand", _by_hand(by_hand)),
        *_section("What ended badly", _listed([r for r in records if r.get("outcome") in ("rejected", "failed")])),
        *_section("What ran otherwise than written", _listed([r for r in records if _instead(r)])),
        *_section("Everything else", _rest(records)),
        f"<h2>The log</h2><p{'' if intact else ' class=bad'}>{escape(verified)}</p>",
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _instead(record: Record) -> bool:
    """Whether something else ran, and well."""
    return record["action"] in ("rewrite", "defer") and record.get("outcome") not in ("failed", "rejected")


def _period(first: str, last: str) -> str:
    if not first:
        return "No decision in this time."
    return f"{first[:16].replace('T', ' ')} to {last[:16].replace('T', ' ')} UTC"


def _figures(records: Sequence[Record], every: Sums) -> str:
    failed = sum(record.get("outcome") == "failed" for record in records)
    figures = [
        (f"{len(records):,}", "statements"),
        (f"{sum(map(_instead, records)):,}", "ran without blocking instead"),
        (f"{every.actions['reject']:,}", "rejected"),
        (f"{failed:,}", "failed"),
        (duration(every.blocked_ms), "the longest that one blocked"),
        (f"{len({_whose(record)[1] for record in records}):,}", "authors"),
    ]
    items = "".join(f"<li><b>{escape(value)}</b> {escape(what)}</li>" for value, what in figures)
    return f'<ul class="figures">{items}</ul>'


def _section(title: str, lines: Iterator[str]) -> list[str]:
    found = list(lines)
    return [f"<h2>{escape(title)}</h2>", *found] if found else []


def _whose(record: Record) -> tuple[str, str]:
    session = record.get("session", {})
    return str(
        session.get("tool") or session.get("application_name") or "–"
    ), f"{session.get('user', '')}@{session.get('database', '')}"


def _rule(record: Record) -> str:
    return next((str(f["rule"]) for f in record.get("findings", ()) if f["action"] == record["action"]), "")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: int) -> Iterator[str]:
    """The last ``numbers`` columns are numbers."""
    if not rows:
        return
    first = len(heads) - numbers
    head = "".join(
        f'<th scope="col"{" class=n" if i >= first else ""}>{escape(name)}</th>' for i, name in enumerate(heads)
    )
    yield f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>"
    for row in rows:
        yield (
            "<tr>"
            + "".join(f"<td{' class=n' if i >= first else ''}>{escape(cell)}</td>" for i, cell in enumerate(row))
            + "</tr>"
        )
    yield "</tbody></table></div>"


def _by(records: Sequence[Record], heads: Sequence[str], key: Any) -> Iterator[str]:
    found: dict[tuple[str, ...], Sums] = defaultdict(Sums)
    for record in records:
        found[key(record)].add(record)
    rows = [
        (
            *names,
            f"{sums.actions.total():,}",
            *(f"{sums.actions[a]:,}" if sums.actions[a] else "" for a in ACTIONS),
            duration(sums.blocked_ms),
        )
        for names, sums in sorted(found.items(), key=lambda pair: -pair[1].actions.total())
    ]
    yield from _table((*heads, "statements", *ACTIONS, "blocked at most"), rows, len(ACTIONS) + 2)


def _longest(records: Sequence[Record]) -> Iterator[str]:
    found = sorted((r for r in records if blocked_ms(r) >= 1), key=blocked_ms, reverse=True)[:10]
    rows = [
        (
            r["at"][:19].replace("T", " "),
            r["kind"],
            ", ".join(r.get("relations", ())),
            " / ".join(_whose(r)),
            duration(blocked_ms(r)),
        )
        for r in found
    ]
    yield from _table(("at", "statement", "tables", "by", "blocked at most"), rows, 1)


def _exceptions(records: Sequence[Record]) -> Iterator[str]:
    counted = Counter(
        (f["rule"], f["note"], f.get("policy", "")) for r in records for f in r.get("findings", ()) if f.get("note")
    )
    rows = [(rule, note, policy, f"{count:,}") for (rule, note, policy), count in counted.most_common()]
    yield from _table(("rule", "why it was decided otherwise", "policy", "statements"), rows, 1)


def _by_hand(records: Sequence[Record]) -> Iterator[str]:
    rows = [
        (
            r["at"][:19].replace("T", " "),
            f"{r['by_hand']['what']} job {r.get('job', '')}",
            str(r.get("statement", "")),
            f"{r['session']['user']}, {r['session']['client']}, {r['by_hand']['through']}",
            f"{r['outcome']}{' (' + r['sqlstate'] + ')' if r.get('sqlstate') else ''}",
            duration(r.get("took_ms", 0)),
        )
        for r in records
    ]
    yield from _table(("at", "what", "statement", "by whom, from where", "outcome", "took"), rows, 1)


def _listed(records: Sequence[Record]) -> Iterator[str]:
    for record in records[:MOST]:
        who = " / ".join(_whose(record))
        code = f" ({record['sqlstate']})" if record.get("sqlstate") else ""
        yield (
            f"<article><h3>{escape(record['kind'])} {escape(', '.join(record.get('relations', ())))}</h3>"
            f'<p class="meta">{escape(record["at"][:19].replace("T", " "))} · {escape(who)} · {escape(record["action"])}, '
            f"{escape(str(record.get('outcome', '')) + code)} in {duration(record.get('took_ms', 0))} · blocked {duration(blocked_ms(record))}</p>"
        )
        ran = "".join(f"<pre>{escape(str(step['sql']))}</pre>" for step in record.get("steps", ()))
        ran = ran or '<p class="meta">Nothing.</p>'
        yield f'<div class="sides"><div><pre>{escape(str(record.get("statement", "")))}</pre></div><div>{ran}</div></div>'
        for one in record.get("findings", ()):
            note = f" – {one['note']}" if one.get("note") else ""
            yield f'<p class="meta">{escape(one["problem"])} [{escape(one["rule"])}]{escape(note)}, by {escape(one.get("policy", ""))}</p>'
        yield "</article>"
    if len(records) > MOST:
        yield f'<p class="meta">{len(records) - MOST:,} more are in the log.</p>'


def _rest(records: Sequence[Record]) -> Iterator[str]:
    rest = [r for r in records if not _instead(r) and r.get("outcome") not in ("rejected", "failed")]
    counted = Counter((r["kind"], r["action"]) for r in rest)
    yield from _table(
        ("statement", "action", "statements"),
        [(kind, action, f"{n:,}") for (kind, action), n in counted.most_common()],
        1,
    )
