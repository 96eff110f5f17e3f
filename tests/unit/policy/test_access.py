"""Who may connect, by a list of entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.policy.access import Connecting, refusal
from proxy.policy.load import PolicyError, load

LIST = """\
version: 1
extends: recommended
access:
  - { users: [root, "*_admin"], action: reject }
  - { users: deploy, databases: [shop, "shop_*"], addresses: [10.0.0.0/8, 2001:db8::/32], tls: true }
  - { users: standby, databases: replication, addresses: [10.0.0.7] }
  - { addresses: [unix] }
  - { users: open, databases: "*", tls: false }
"""


def says(user: str, database: str = "shop", address: str = "10.1.2.3", tls: bool = True, physical: bool = False) -> str:
    settings = _LOADED[0].access
    return refusal(settings, Connecting(user, database, address, tls, physical))


_LOADED: list = []


@pytest.fixture(autouse=True)
def loaded(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(LIST)
    _LOADED[:] = [load(file)]


@pytest.mark.parametrize(
    ("connecting", "may"),
    [
        (("deploy",), True),
        (("deploy", "shop_test"), True),
        (("deploy", "other"), False),
        (("deploy", "shop", "192.0.2.1"), False),
        (("deploy", "shop", "10.1.2.3", False), False),
        (("deploy", "shop", "2001:db8::1"), True),
        (("deploy", "shop", "[2001:db8::1]"), True),
        (("deploy", "shop", "::ffff:10.0.0.1"), True),
        (("deploy", "shop", "fe80::1%eth0"), False),
        (("deploy", "shop", "not an address"), False),
        (("root", "shop", ""), False),  # rejected before the Unix socket lets it in
        (("db_admin", "shop", ""), False),
        (("anybody", "any", "", False), True),
        (("anybody", "any", "127.0.0.1"), False),
        (("open", "any", "192.0.2.1", False), True),
        (("open", "any", "192.0.2.1", True), False),
        (("standby", "standby", "10.0.0.7", True, True), True),
        (("standby", "replication", "10.0.0.7", True), True),  # a database of that name
        (("standby", "standby", "10.0.0.8", True, True), False),
        (("open", "open", "192.0.2.1", False, True), False),  # no glob stands for replication
        (("anybody", "any", "", False, True), False),  # nor does an entry without databases
        (("root" + "x" * 70, "shop", ""), True),
    ],
)
def test_the_first_entry_that_matches_counts(connecting: tuple, may: bool) -> None:
    assert (says(*connecting) == "") == may


def test_names_are_cut_as_the_server_cuts_them(tmp_path: Path) -> None:
    file = tmp_path / "long.yaml"
    name = "x" * 63
    file.write_text(f"version: 1\naccess: [{{ users: {name}, action: reject }}, {{}}]\n")
    for user, may in ((name, False), (name + "y", False), ("x" * 62, True)):
        assert (refusal(load(file).access, Connecting(user, "d", "", False)) == "") == may


def test_what_is_said() -> None:
    assert says("deploy", "shop", "192.0.2.1", False) == (
        'no entry in Interlock\'s access list for host "192.0.2.1", user "deploy", database "shop", no encryption'
    )
    assert says("root", "shop", "") == (
        'Interlock\'s access list rejects connection for host "[local]", user "root", database "shop", TLS encryption'
    )
    assert says("x", "x", "10.0.0.9", True, True) == (
        'no entry in Interlock\'s access list for replication connection, host "10.0.0.9", user "x", TLS encryption'
    )


def test_no_list_lets_everybody_in() -> None:
    policy = load("recommended")
    assert refusal(policy.access, Connecting("anybody", "any", "192.0.2.1", False)) == ""
    assert not [path for path, _, _ in policy.values() if path[0] == "access"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("[]", "expected at least one"),
        ("[{ users: [] }]", "expected a name or a list of names"),
        ("[{ users: 7 }]", "expected a name or a list of names"),
        ("[{ user: x }]", "unknown key 'user' (did you mean 'users'?)"),
        ("[{ addresses: [10.0.0.1/8] }]", "'10.0.0.1/8' has bits set behind its mask; write 10.0.0.0/8"),
        ("[{ addresses: [example.org] }]", "'example.org' is no address"),
        ("[{ addresses: 10.0.0.0/8 }]", "expected a list; write [10.0.0.0/8]"),
        ("[{ tls: on }]", "read as true in YAML 1.1"),
        ("[{ action: deny }]", "'deny' is not allow or reject"),
    ],
)
def test_mistakes(entry: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(f"version: 1\naccess: {entry}\n")
    with pytest.raises(PolicyError) as caught:
        load(file)
    assert said in str(caught.value)
