"""What somebody who wrote a task file probably meant: units in values and in key names, keys in the wrong block.

Start at `hint`; it adds a sentence to an error of `task_from_mapping`.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from typing import Any

from stage_core.estimators_settings import SensingConfig
from stage_core.task import FAMILIES, CostsConfig, GoalConfig, ObjectsConfig, PotentialsConfig, TaskConfig, TiersConfig

# Suffix of a key -> the unit it stands for; longer ones first, because _m_s also ends in _s.
UNITS = {"_per_m": "1/m", "_rad_s": "rad/s", "_m_s": "m/s", "_nm": "N m", "_rad": "rad", "_hz": "Hz", "_m": "m", "_s": "s", "_n": "N"}
# Unit somebody may have written -> unit of ours, and the factor to it.
FACTORS: dict[str, tuple[str, float]] = {
    "m": ("m", 1.0), "cm": ("m", 0.01), "mm": ("m", 0.001), "s": ("s", 1.0), "ms": ("s", 0.001), "min": ("s", 60.0),
    "rad": ("rad", 1.0), "deg": ("rad", math.pi / 180.0), "degrees": ("rad", math.pi / 180.0), "°": ("rad", math.pi / 180.0),
    "n": ("N", 1.0), "m/s": ("m/s", 1.0), "cm/s": ("m/s", 0.01), "mm/s": ("m/s", 0.001), "frames": ("s", 0.05), "steps": ("s", 0.05),
}  # fmt: skip
_BLOCKS = {
    "objects": ObjectsConfig, "goal": GoalConfig, "potentials": PotentialsConfig, "costs": CostsConfig, "tiers": TiersConfig,
    "sensing": SensingConfig,
}  # fmt: skip


def keys_of(block: str, family: str | None) -> tuple[str, ...]:
    """Return the keys of a block ("" is the top); thresholds depend on the family."""
    if block == "thresholds":
        return _names(FAMILIES[family].thresholds) if family in FAMILIES else ()
    kind = _BLOCKS.get(block, TaskConfig if not block else None)
    return _names(kind) if kind is not None else ()


def unit_of(key: str) -> str:
    """Return the unit that a key's ending stands for, empty without one."""
    return next((unit for suffix, unit in UNITS.items() if key.endswith(suffix)), "")


def hint(field: str, problem: str, value: Any, family: str | None) -> str:
    """Return a sentence to add to an error, empty where nothing better is known than the error itself.

    Args:
        field: Dotted name in the file.
        problem: The error's text.
        value: What the file holds there.
        family: The task's family, None where it is not known.
    """
    block, _, key = field.rpartition(".")
    if "is not a known key" in problem:
        return _unit_in_key(key, value, keys_of(block, family)) or _other_block(block, key, family)
    if value is None and "expected a mapping" in problem:
        return "The block is empty: take its name out, too."
    if isinstance(value, str):
        return _unit_in_value(key, value)
    if isinstance(value, bool) and "expected text" in problem:
        return "YAML reads yes, no, on and off as true and false: put the word in quotes."
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _too_large(key, float(value), problem)
    return ""


def _unit_in_key(key: str, value: Any, known: tuple[str, ...]) -> str:
    """For `place_distance_cm: 3`: the key in our unit and the value converted."""
    for ending, (unit, factor) in FACTORS.items():
        stem = key.removesuffix(f"_{ending}")
        if stem == key or not isinstance(value, (int, float)) or isinstance(value, bool):
            continue
        ours = [name for name in known if unit_of(name) == unit]
        close = difflib.get_close_matches(stem, [_stem(name) for name in ours], n=1, cutoff=0.8)
        if close:
            name = next(name for name in ours if _stem(name) == close[0])
            why = " at 20 Hz" if ending in ("frames", "steps") else ""
            return f"{value:g} {ending}{why}: write {name}: {value * factor:.6g}"
    return ""


def _other_block(block: str, key: str, family: str | None) -> str:
    """For a key that exists elsewhere: where."""
    for other in ("", "thresholds", *_BLOCKS):
        if other != block and key in keys_of(other, family):
            return f"It belongs {f'under {other}:' if other else 'at the top level, without indentation'}."
    others = [name for name in FAMILIES if name != family and key in keys_of("thresholds", name)]
    return f"Family {family} has no {key}; {' and '.join(others)} {'have' if len(others) > 1 else 'has'}." if others and family else ""


def _unit_in_value(key: str, value: str) -> str:
    """For `3 cm`, `0,03` and `1e-3`, which YAML reads as text: the number to write."""
    match = re.fullmatch(r"\s*([-+]?[\d.,]+(?:[eE][-+]?\d+)?)\s*([a-zA-Z°/]*)\s*", value)
    if match is None:
        return ""
    try:
        number = float(match[1].replace(",", "."))
    except ValueError:
        return ""
    unit, (ours, factor) = match[2].lower(), FACTORS.get(match[2].lower(), ("", 1.0))
    if not unit:
        return f"Write {_plain(number)}: a plain number with a decimal point."
    if ours and ours == unit_of(key):
        return f"The unit is in the key: write {_plain(number * factor)}."
    return "The unit is in the key: write the number alone."


def _too_large(key: str, value: float, problem: str) -> str:
    """For a length of 2.0 where 0.5 is the most: what 2 cm and 2 mm would be."""
    found = re.search(r"<= (?:value <= )?([\d.]+)", problem)
    if found is None or not abs(value) > float(found[1].rstrip(".")):
        return ""
    guesses = {"m": ("cm", "mm"), "s": ("ms",), "rad": ("deg",), "m/s": ("cm/s", "mm/s")}.get(unit_of(key), ())
    fitting = [
        f"{value:g} {name} is {_plain(value * FACTORS[name][1])}"
        for name in guesses
        if value * FACTORS[name][1] <= float(found[1].rstrip("."))
    ]
    return f"{'; '.join(fitting)}." if fitting else ""


def _plain(number: float) -> str:
    """Return a number as YAML reads it as one: without an exponent."""
    return f"{number:.6f}".rstrip("0").rstrip(".") if abs(number) >= 1e-6 or number == 0.0 else repr(number)


def _stem(key: str) -> str:
    return next((key.removesuffix(suffix) for suffix in UNITS if key.endswith(suffix)), key)


def _names(kind: type) -> tuple[str, ...]:
    return tuple(entry.name for entry in dataclasses.fields(kind))
