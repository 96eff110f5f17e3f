from __future__ import annotations

from typing import Any, cast

from proxy.session.group import SPOKEN_S, Groups


def test_a_tool_is_remembered_for_a_while_after_its_last_connection() -> None:
    now = [1000.0]
    groups = Groups(clock=lambda: now[0])
    member = cast(Any, object())

    def after(pause_s: float) -> str | None:
        now[0] += pause_s
        group = groups.join(member, "me", "shop", "here")
        told = group.tool
        group.tool = "Piccolo"
        groups.leave(member, group)
        return told

    assert [after(0), after(SPOKEN_S), after(SPOKEN_S + 1)] == [None, "Piccolo", None]
