"""The JSON Schema of a policy file, for editors; ``policies/policy.schema.json`` is its text.

Run ``interlock policy schema > policies/policy.schema.json`` after a change of the model or of the rules.
"""

from __future__ import annotations

import json
from typing import Any

from proxy.policy.base import Model
from proxy.policy.model import ALL, SCHEMA_CHANGE, UNREADABLE, Settings
from proxy.policy.units import Duration, Size, TimeOfDay, Zone
from proxy.rules.base import rules

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema, with a property for each rule that this version has."""
    top: dict[str, Any] = Settings.model_json_schema(by_alias=True)
    models: dict[str, Any] = top["$defs"]
    for model in Model.__subclasses__():
        _tidy(model, top if model is Settings else models[model.__name__])
    setting = models["RuleSetting"]
    action = {k: v for k, v in setting["properties"]["action"].items() if k != "default"}
    models["RuleSetting"] = {"anyOf": [action, setting]}
    top["properties"]["rules"]["properties"] = {
        rule.name: {"$ref": "#/$defs/RuleSetting", "description": rule.summary} for rule in rules().values()
    }
    top["properties"]["rules"]["additionalProperties"] = False
    models["PolicyException"]["properties"]["rules"]["items"] = {"enum": [*rules(), UNREADABLE, SCHEMA_CHANGE, ALL]}
    models["Match"]["minProperties"] = 1
    return {"$schema": DIALECT, "title": "Interlock policy", **top}


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(model: type[Model], found: dict[str, Any]) -> None:
    """Defaults as a file writes them; no titles, which repeat the names; no null, which no key accepts."""
    found.pop("title", None)
    for name, field in model.model_fields.items():
        property = found["properties"][field.alias or name]
        property.pop("title", None)
        match field.default:
            case Duration() | Size() | TimeOfDay() | Zone():
                property["default"] = str(field.default)
            case None | Model():
                property.pop("default", None)
        options = [option for option in property.pop("anyOf", []) if option != {"type": "null"}]
        if options:
            property |= options[0] if len(options) == 1 else {"anyOf": options}
            found["properties"][field.alias or name] = property
