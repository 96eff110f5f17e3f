"""What a running proxy shows of its own options: never a secret."""

from __future__ import annotations

import pytest

from proxy.cli.beside import _settings, redacted


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://app:geheim@db.example/shop",
        "host=db.example user=app password=geheim dbname=shop",
        "postgresql://app@db.example/shop?password=geheim&sslmode=require",
        "host=db.example password='geheim",  # no connection string at all
    ],
)
def test_passwords_are_left_out(text: str) -> None:
    assert "geheim" not in redacted(text)


@pytest.mark.parametrize(
    "text", ["postgresql://app@db.example/shop", "recommended", "127.0.0.1:6432", "/run/interlock:6432"]
)
def test_all_else_is_as_it_is(text: str) -> None:
    assert redacted(text) == text


def test_every_option_of_serve_is_shown() -> None:
    options = {
        "upstream": "postgresql://app:geheim@db/shop",
        "jobs": ("postgresql://a:geheim@db/a",),
        "policy": "strict",
        "tls_key": None,
    }
    found = {one.key: one for one in _settings(options)}
    assert set(found) == set(options)
    assert "geheim" not in str(found)
    assert (found["policy"].value, found["policy"].default) == ("strict", "recommended")
