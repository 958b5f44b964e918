"""The JSON Schema of a task file, made from the dataclasses that read it, so that the two cannot differ.

Start at `task_schema`. `python -m stage_core.task_schema > docs/schemas/task.schema.json` writes the published file.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any

from stage_core.task import FAMILIES, SCHEMA_VERSION, TaskConfig

_TYPES = {float: "number", int: "integer", str: "string", bool: "boolean"}


def task_schema() -> dict[str, Any]:
    """Return the schema (2020-12) of a file in config/tasks; the family decides which thresholds there are."""
    definitions: dict[str, Any] = {}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stage task",
        "description": "A file in config/tasks. Key names carry their unit; times are seconds.",
        **_object(TaskConfig, definitions),
    }
    properties = schema["properties"]
    properties["schema_version"] = {"const": SCHEMA_VERSION}
    properties["instructions"] |= {"minItems": 1, "description": "phrasings; the first is the canonical one"}
    properties["thresholds"] = {"type": "object", "description": "by family, as `allOf` says"}
    definitions["ObjectsConfig"]["properties"]["half_size_m"]["items"] |= {"exclusiveMinimum": 0, "maximum": 0.5}
    for family in FAMILIES.values():
        _reference(family.thresholds, definitions)
    schema["allOf"] = [
        {
            "if": {"properties": {"family": {"const": name}}, "required": ["family"]},
            "then": {"properties": {"thresholds": {"$ref": f"#/$defs/{family.thresholds.__name__}"}}},
        }
        for name, family in FAMILIES.items()
    ]
    return schema | {"$defs": definitions}


def _object(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a dataclass; other dataclasses in it go to `definitions`."""
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    required = [entry.name for entry in fields if entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {entry.name: _property(entry, hints[entry.name], definitions) for entry in fields},
        "required": required,
    }


def _property(entry: dataclasses.Field, hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _type(hint, definitions)
    if "maximum" in entry.metadata:
        schema["minimum" if entry.metadata["zero"] else "exclusiveMinimum"] = 0
        schema["maximum"] = entry.metadata["maximum"]
        if entry.metadata["unit"]:
            schema["description"] = f"unit: {entry.metadata['unit']}"
    if entry.default is not dataclasses.MISSING and not dataclasses.is_dataclass(entry.default):
        schema["default"] = list(entry.default) if isinstance(entry.default, tuple) else entry.default
    return schema


def _type(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        kinds = [_type(choice, definitions) for choice in arguments if choice is not type(None)]
        return kinds[0] | {"type": [kinds[0]["type"], "null"]} if "type" in kinds[0] else {"type": "object"}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        items = {"type": "array", "items": _type(arguments[0], definitions)}
        return items if arguments[-1] is Ellipsis else items | {"minItems": len(arguments), "maxItems": len(arguments)}
    if dataclasses.is_dataclass(hint):
        return _reference(typing.cast(type, hint), definitions)
    return {"type": _TYPES[hint]}


def _reference(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = _object(kind, definitions)
    return {"$ref": f"#/$defs/{kind.__name__}"}


if __name__ == "__main__":
    print(json.dumps(task_schema(), indent=2, ensure_ascii=False))
