"""Joins the inputs of the stage monitor by stamp: one StageObservation per control step (DESIGN 9.6).

For each step the newest input with stamp <= the step's and age <= its limit is used. Start at
`StageObservationBuilder`; live nodes and `stage label --rebuild` use the same one.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from stage_core.errors import ConfigurationError, nearest
from stage_core.observation import StageObservation

BUFFER_SIZE = 256  # inputs kept per name; 1.3 s of a 200 Hz state
_OWN = ("stamp", "sequence", "episode", "tier", "confidence", "input_stamps")
FIELDS = tuple(entry.name for entry in dataclasses.fields(StageObservation) if entry.name not in _OWN)
_TOLERANCE_S = 1e-6  # stamps travel as whole nanoseconds


class StageObservationBuilder:
    """Keeps the last inputs by name and joins them.

    Args:
        limits: Input name -> greatest age at which it may still be used, s, > 0. Where two inputs give the same field,
            the surer one wins, then the one named first here.

    Raises:
        ConfigurationError: If a limit is not positive.
    """

    def __init__(self, limits: Mapping[str, float]) -> None:
        for name, limit in limits.items():
            if not limit > 0.0:
                raise ConfigurationError(f"limits.{name} is {limit} s; expected > 0. Three periods of that input are a good start.")
        self._limits = dict(limits)
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new episode."""
        self._stamps: dict[str, list[float]] = {name: [] for name in self._limits}
        self._entries: dict[str, list[tuple[int, dict[str, float], dict[str, Any]]]] = {name: [] for name in self._limits}

    def add(self, input_name: str, stamp: float, *, tier: int = 0, confidence: float | Mapping[str, float] = 1.0, **fields: Any) -> None:
        """Keep one measurement; late ones are sorted in.

        Args:
            input_name: One of the names in `limits`.
            stamp: Measurement time on the workcell clock, s.
            tier: 0 always there, 1 sensing, 2 perception, 3 learned, 9 simulation truth.
            confidence: In [0, 1], for all fields or by field.
            fields: Fields of StageObservation; None says that the input looked and could not know.

        Raises:
            ConfigurationError: If the input or a field is unknown.
        """
        if input_name not in self._limits:
            raise ConfigurationError(f'input "{input_name}" has no age limit. {nearest(input_name, self._limits)}')
        for name in fields:
            if name not in FIELDS:
                raise ConfigurationError(f'input "{input_name}": field "{name}" does not exist. {nearest(name, FIELDS)}')
        by_field = {name: float(confidence if not isinstance(confidence, Mapping) else confidence.get(name, 1.0)) for name in fields}
        stamps, entries = self._stamps[input_name], self._entries[input_name]
        place = bisect_right(stamps, stamp)
        stamps.insert(place, stamp)
        entries.insert(place, (tier, by_field, fields))
        if len(stamps) > BUFFER_SIZE:
            del stamps[0], entries[0]

    def build(self, stamp: float, sequence: int, episode: int) -> StageObservation:
        """Return the observation of the control step at `stamp`, s.

        The tier is the highest among the inputs used; a field that no fresh input gives is None.
        """
        values: dict[str, Any] = {}
        sure: dict[str, float] = {}
        used: dict[str, float] = {}
        tier = 0
        for name, limit in self._limits.items():
            stamps = self._stamps[name]
            place = bisect_right(stamps, stamp + _TOLERANCE_S) - 1
            if place < 0 or stamp - stamps[place] > limit + _TOLERANCE_S:
                continue
            entry_tier, confidence, fields = self._entries[name][place]
            used[name] = stamps[place]
            tier = max(tier, entry_tier)
            for field, value in fields.items():
                if value is not None and (field not in values or confidence[field] > sure[field]):
                    values[field], sure[field] = value, confidence[field]
        unsure = {field: value for field, value in sure.items() if value != 1.0}
        return StageObservation(stamp=stamp, sequence=sequence, episode=episode, tier=tier, confidence=unsure, input_stamps=used, **values)
