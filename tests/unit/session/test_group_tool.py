from __future__ import annotations

import time
from typing import Any, cast

from proxy.session.group import AGAIN_S, SPOKEN_S, Groups


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


class Someone:
    """A member whom nothing concerns."""

    def attend(self) -> None: ...


def test_one_session_looks_again_for_what_others_have_left_and_not_too_often() -> None:
    now = [time.monotonic()]
    groups = Groups(clock=lambda: now[0])
    one, other, third = (cast(Any, Someone()) for _ in range(3))
    group = groups.join(one, "me", "shop", "here")
    group.waiting = False
    groups.join(other, "me", "shop", "here")
    assert not any(map(group.waits_for, (one, other)))
    now[0] += AGAIN_S + 1
    groups.join(third, "me", "shop", "here")
    assert list(map(group.waits_for, (one, other, third))) == [False, False, True]
    assert not groups.look_again(one, group)  # that one does it
    groups.leave(third, group)
    assert groups.look_again(one, group)  # it has not
    group.waiting = False
    assert not group.waits_for(one)
