"""Frozen dataclasses from YAML files: unknown keys, wrong types and missing fields become one clear line.

Start at `load_configuration`. The same function reads workcells, tasks, policies and training settings.
"""

from __future__ import annotations

import dataclasses
import importlib
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import yaml

from stage_core.errors import ConfigurationError, nearest

Configuration = TypeVar("Configuration")


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigurationError: If the file is missing, is not YAML, or does not hold a mapping.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist; expected a YAML file. Check the path.") from None
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f":{place.line + 1}" if place is not None else ""
        problem = str(getattr(error, "problem", error)).splitlines()[0]
        raise ConfigurationError(f"{path}{line} is not YAML: {problem}. Mend that line.") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} holds {type(content).__name__}; expected a mapping of keys to values.")
    return content


def load_configuration(kind: type[Configuration], path: str | Path) -> Configuration:
    """Return `kind`, a frozen dataclass, filled from a YAML file.

    Raises:
        ConfigurationError: Naming file, field, value, what was expected and the nearest known key.
    """
    return from_mapping(kind, load_yaml(path), source=str(path))


def from_mapping(kind: type[Configuration], mapping: Mapping[str, Any], *, source: str, field: str = "") -> Configuration:
    """Return `kind`, a frozen dataclass, filled from a mapping; nested dataclasses are filled the same way.

    Args:
        kind: The dataclass; fields without a default are required. Its `__post_init__` may raise ConfigurationError or ValueError.
        mapping: Keys and values as YAML gives them.
        source: Where the mapping comes from, for the message: a path or an option.
        field: Dotted name of the mapping inside the source, empty at the top.

    Raises:
        ConfigurationError: Naming source, field, value, what was expected and the nearest known key.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigurationError(f"{source}: {field or 'the file'} is {mapping!r}; expected a mapping of keys to values.")
    known = {entry.name: entry for entry in dataclasses.fields(kind) if entry.init}
    prefix = f"{field}." if field else ""
    for key in mapping:
        if key not in known:
            raise ConfigurationError(f"{source}: {prefix}{key} is not a known key. {nearest(str(key), known)}")
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, entry in known.items():
        if name in mapping:
            values[name] = _convert(hints[name], mapping[name], source, prefix + name)
        elif entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING:
            raise ConfigurationError(f"{source}: {prefix}{name} is missing; it is required. Add it to the file.")
    try:
        return kind(**values)
    except ConfigurationError as error:
        text = str(error)
        raise ConfigurationError(text if text.startswith(source) else f"{source}: {prefix}{text}") from None
    except ValueError as error:
        raise ConfigurationError(f"{source}: {prefix}{error}") from None


def _convert(hint: Any, value: Any, source: str, field: str) -> Any:
    """Return `value` as `hint` asks, or raise with the field's name."""
    origin = typing.get_origin(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _convert_union(hint, value, source, field)
    if origin is typing.Literal:
        allowed = typing.get_args(hint)
        if value not in allowed:
            raise ConfigurationError(f"{source}: {field} is {value!r}; expected one of {', '.join(map(str, allowed))}.")
        return value
    if origin in (tuple, list):
        return _convert_sequence(hint, origin, value, source, field)
    if origin is dict:
        key_hint, value_hint = typing.get_args(hint)
        if not isinstance(value, Mapping):
            raise ConfigurationError(f"{source}: {field} is {value!r}; expected a mapping of keys to values.")
        return {key: _convert(value_hint, entry, source, f"{field}.{key}") for key, entry in value.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else from_mapping(hint, value, source=source, field=field)
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError:
            raise ConfigurationError(f"{source}: {field} is {value!r}. {nearest(str(value), [entry.value for entry in hint])}") from None
    return _convert_scalar(hint, value, source, field)


def _convert_union(hint: Any, value: Any, source: str, field: str) -> Any:
    choices = typing.get_args(hint)
    if value is None and type(None) in choices:
        return None
    problem: ConfigurationError | None = None
    for choice in choices:
        if choice is type(None):
            continue
        try:
            return _convert(choice, value, source, field)
        except ConfigurationError as error:
            problem = problem or error
    raise problem or ConfigurationError(f"{source}: {field} is {value!r}; expected {hint}.")


def _convert_sequence(hint: Any, origin: type, value: Any, source: str, field: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise ConfigurationError(f"{source}: {field} is {value!r}; expected a list.")
    arguments = typing.get_args(hint)
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        if len(value) != len(arguments):
            raise ConfigurationError(f"{source}: {field} has {len(value)} entries; expected {len(arguments)}.")
        return tuple(
            _convert(entry_hint, entry, source, f"{field}[{i}]") for i, (entry_hint, entry) in enumerate(zip(arguments, value, strict=True))
        )
    entries = [_convert(arguments[0], entry, source, f"{field}[{i}]") for i, entry in enumerate(value)]
    return tuple(entries) if origin is tuple else entries


def _convert_scalar(hint: Any, value: Any, source: str, field: str) -> Any:
    words = {float: "a number", int: "a whole number", str: "text", bool: "true or false", Path: "a path"}
    right = {
        float: isinstance(value, (int, float)) and not isinstance(value, bool),
        int: isinstance(value, int) and not isinstance(value, bool),
        str: isinstance(value, str),
        bool: isinstance(value, bool),
        Path: isinstance(value, (str, Path)),
    }.get(hint)
    if right is None:
        return value
    if not right:
        raise ConfigurationError(f"{source}: {field} is {value!r}; expected {words[hint]}.")
    if hint is float and value != value:
        raise ConfigurationError(f"{source}: {field} is NaN; expected a number.")
    return hint(value)


def load_class(name: str, registered: Mapping[str, str], *, what: str) -> Any:
    """Return the class or function called `name`: a registered short name or `module:Class` of the user's own.

    Args:
        name: For example `fake`, or `my_lab.my_arm:MyArm`.
        registered: Short name -> `module:Class`.
        what: What is looked for, for the message ("workcell", "policy").

    Raises:
        ConfigurationError: If there is no such name, module or class. An ImportError inside the module is passed on as it is.
    """
    target = registered.get(name, name)
    module_name, colon, attribute = target.partition(":")
    if not colon:
        raise ConfigurationError(f'{what} "{name}" does not exist. {nearest(name, registered)} Or name your own as module:Class.')
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.split(".")[0] == error.name.split(".")[0]:
            raise ConfigurationError(f'{what} "{name}": there is no module {module_name}. Check the spelling and PYTHONPATH.') from None
        raise
    if not hasattr(module, attribute):
        public = [entry for entry in vars(module) if not entry.startswith("_")]
        raise ConfigurationError(f'{what} "{name}": {module_name} has no {attribute}. {nearest(attribute, public)}')
    return getattr(module, attribute)
