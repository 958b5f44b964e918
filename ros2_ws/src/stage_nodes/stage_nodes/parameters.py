"""ROS parameters from a frozen dataclass: one declaration with a description, checked once, unknown values in one line."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any, TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError

Parameters = TypeVar("Parameters")

_EMPTY: dict[Any, Any] = {str: "", float: 0.0, int: 0, bool: False}


def read_parameters(node: Node, kind: type[Parameters]) -> Parameters:
    """Declare one ROS parameter for each field of `kind` and return it filled.

    Args:
        node: The node that owns the parameters.
        kind: A frozen dataclass of str, float, int, bool or tuple[str, ...]; fields without a default are required.
            A field's metadata["description"] goes into the parameter's descriptor.

    Raises:
        ConfigurationError: Naming node, parameter, value and what was expected.
    """
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for entry in dataclasses.fields(kind):
        required = entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING
        default = _default(entry, hints[entry.name])
        descriptor = ParameterDescriptor(description=entry.metadata.get("description", ""), dynamic_typing=True, read_only=True)
        value = node.declare_parameter(entry.name, default, descriptor).value
        if required and value in (None, "", []):
            raise ConfigurationError(
                f"{node.get_name()}: parameter {entry.name} is missing; it is required. Pass it in params_file or with -p."
            )
        values[entry.name] = _plain(value, hints[entry.name])
    return from_mapping(kind, values, source=f"{node.get_name()}: parameter")


def _default(entry: dataclasses.Field, hint: Any) -> Any:
    if entry.default is not dataclasses.MISSING:
        value = entry.default
    elif entry.default_factory is not dataclasses.MISSING:
        value = entry.default_factory()
    else:
        value = _EMPTY.get(hint, [""])
    # rclpy cannot tell the type of an empty list
    return (list(value) or [""]) if isinstance(value, (tuple, list)) else value


def _plain(value: Any, hint: Any) -> Any:
    if typing.get_origin(hint) is tuple:
        return [entry for entry in (value or []) if entry != ""]
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value
