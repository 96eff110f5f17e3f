"""The JSON Schema and the documentation say what the model says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.policy import schema
from proxy.policy.model import Settings, dump
from proxy.rules.base import rules

ROOT = Path(__file__).parents[3]


def test_the_file_is_what_the_model_generates() -> None:
    file = ROOT / "policies" / "policy.schema.json"
    assert file.read_text() == schema.text(), "run: interlock policy schema > policies/policy.schema.json"


def test_every_rule_is_a_property() -> None:
    found = schema.schema()["properties"]["rules"]
    assert set(found["properties"]) == set(rules())
    assert found["additionalProperties"] is False
    assert all(p["description"] for p in found["properties"].values())


def _keys(node: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Dotted keys, as headings of the documentation spell them, with their properties."""
    models = schema.schema()["$defs"]
    for key, property in node["properties"].items():
        if path == ("rules",):
            property, name = models["RuleSetting"]["anyOf"][1], "NAME"
        else:
            name = key
            yield ".".join((*path, key)), property
        below = property.get("items", property)
        below = models[below["$ref"].rpartition("/")[2]] if "$ref" in below else below
        if "properties" in below:
            yield from _keys(below, (*path, name))
        if path == ("rules",):
            return


def test_every_key_has_a_description() -> None:
    assert [key for key, property in _keys(schema.schema()) if not property.get("description")] == []


def _sections() -> dict[str, str]:
    text = (ROOT / "docs" / "policy.md").read_text()
    parts = text.replace("\n### ", "\n## ").split("\n## ")[1:]
    return {head: body.strip() for head, _, body in (part.partition("\n") for part in parts)}


def test_every_key_has_its_heading_and_no_heading_is_without_a_key() -> None:
    assert set(_sections()) == {key for key, _ in _keys(schema.schema())}


def test_headings_end_with_the_default() -> None:
    for key, property in _keys(schema.schema()):
        if "default" not in property:
            continue
        default = property["default"]
        shown = default if isinstance(default, str) else json.dumps(default)
        assert _sections()[key].endswith(f"\nDefault: `{shown}`"), key


def test_defaults_of_the_schema_are_those_of_the_model() -> None:
    found = schema.schema()
    assert found["$defs"]["Locks"]["properties"]["timeout"]["default"] == dump(Settings(version=1))["locks"]["timeout"]
    assert found["$defs"]["SmallTables"]["properties"]["under"]["default"] == "10MB"


@pytest.mark.parametrize("name", ["recommended", "strict", "observe"])
def test_packs_use_keys_of_the_schema_only(name: str) -> None:
    import yaml

    data = yaml.safe_load((ROOT / "policies" / f"{name}.yaml").read_text())
    assert set(data) <= set(schema.schema()["properties"])
