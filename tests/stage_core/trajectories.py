"""Random trajectories for the stage monitor, made in batches: an arm that carries, pushes or turns a thing, and a world that interferes.

Whole batches are drawn as arrays, because the tests that use them take 10,000 trajectories. Start at `random_batch`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stage_core.observation import StageObservation
from stage_core.task import GoalConfig, ObjectsConfig, TaskConfig

REST_HEIGHT = 0.025
STANDING_HEIGHT = 0.12


def task_of(family: str) -> TaskConfig:
    """A task of a family with every default; the thing is a peg, so that it can also be stood up."""
    return TaskConfig(
        schema_version=1,
        name=family,
        family=family,
        instructions=("do it",),
        objects=ObjectsConfig(name="thing", half_size_m=(STANDING_HEIGHT, REST_HEIGHT, REST_HEIGHT)),
        goal=GoalConfig(source="pose"),
        timeout_s=5.0,
    )


def random_batch(
    family: str, seed: int, *, episodes: int, steps: int, rate: float, clean: bool = False
) -> Iterator[list[StageObservation]]:
    """Yield episodes that go through reaching, touching, carrying, arriving and letting go, each at random times.

    Unless `clean`, the world interferes: the thing is dropped or thrown, flags flicker, fields go missing, confidences
    and numbers are odd.
    """
    random = np.random.default_rng(seed)
    shape = (episodes, steps)
    step = np.arange(steps)
    ends = np.sort(random.uniform(0.05, 1.1, (episodes, 4)), axis=1) * steps  # of reaching, touching, carrying, holding at the goal
    reached, carried = (np.clip((step - begin) / np.maximum(end - begin, 1e-9), 0.0, 1.0) for begin, end in _spans(ends))
    held = (step >= ends[:, 1:2]) & (step < ends[:, 3:4])
    start, goal = random.uniform(-0.2, 0.2, (2, episodes, 1, 3)) + [0.5, 0.0, 0.0]
    goal_height = STANDING_HEIGHT if family == "lift_upright" else REST_HEIGHT
    start[..., 2], goal[..., 2] = REST_HEIGHT, goal_height + 0.05 * (family in ("pick_place", "stack"))
    thing = start + carried[..., None] * (goal - start)
    thing[..., 2] += 0.1 * np.sin(np.pi * carried) * (family not in ("push", "pull"))
    ee = thing + (1.0 - reached)[..., None] * random.uniform(-0.3, 0.3, (episodes, 1, 3))
    turn = 0.25 * np.pi * carried * (random.random((episodes, 1)) < (1.0 if clean else 0.7))  # half the angle
    orientation = np.stack([0 * turn, -np.sin(turn), 0 * turn, np.cos(turn)], axis=-1)
    touching = (reached >= 1.0) & (step < ends[:, 3:4])
    values = {
        "ee_position": ee, "ee_orientation": np.broadcast_to([1.0, 0.0, 0.0, 0.0], (*shape, 4)), "object_position": thing,
        "object_orientation": orientation, "goal_position": np.broadcast_to(goal, (*shape, 3)),
        "goal_orientation": np.broadcast_to([0.0, 0.0, 0.0, 1.0], (*shape, 4)), "grasped": held, "contact": touching,
        "released": ~held, "object_static": np.diff(carried, axis=1, prepend=0.0) == 0.0, "contact_force": 2.0 * touching,
        "gripper_width": np.where(held, 0.05, 0.08), "gripper_effort": 10.0 * held,
    }  # fmt: skip
    present = np.ones((*shape, len(values)), bool)
    sureness = np.ones((*shape, len(values)))
    if not clean:
        _interfere(random, values, present, sureness)
    yield from _observations(values, present, sureness, rate)


def _spans(ends: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Begin and end of reaching and of carrying, (episodes, 1) each."""
    return (np.zeros_like(ends[:, :1]), ends[:, :1]), (ends[:, 1:2], ends[:, 2:3])


def _interfere(random: np.random.Generator, values: dict, present: np.ndarray, sureness: np.ndarray) -> None:
    """Drop and throw the thing, let flags flicker, take fields away, make confidences and numbers odd. In place."""
    episodes, steps, fields = present.shape
    shape = (episodes, steps)
    dropped = np.arange(steps) >= random.integers(0, 2 * steps, (episodes, 1))
    values["object_position"][..., 2] = np.where(dropped, REST_HEIGHT, values["object_position"][..., 2])
    thrown = random.random(shape) < 0.04
    values["object_position"][thrown] += random.normal(0.0, 0.2, (int(thrown.sum()), 3))
    away = np.cumsum(random.random(shape) < 0.02, axis=1) > 0  # from then on somewhere else: a success may be lost
    values["object_position"] += away[..., None] * random.normal(0.0, 0.3, (episodes, 1, 3))
    values["object_position"] += random.normal(0.0, 0.002, (*shape, 3)) * (random.random((episodes, 1, 1)) < 0.5)
    values["grasped"] = (values["grasped"] & ~dropped) ^ (random.random(shape) < 0.05)
    values["released"] = ~values["grasped"] ^ (random.random(shape) < 0.02)
    values["contact"] = values["contact"] ^ (random.random(shape) < 0.05)
    missing = random.uniform(0.0, 0.6, (episodes, 1, 1)) * (random.random((episodes, 1, fields)) < 0.5)
    present &= random.random((*shape, fields)) >= missing
    present &= ~(random.random((episodes, 1, fields)) < 0.05)  # some fields are never there
    unsure = random.random((episodes, steps, 1)) < random.uniform(0.0, 0.5, (episodes, 1, 1))
    sureness[:] = np.where(unsure, random.uniform(-0.2, 1.2, sureness.shape), 1.0)
    odd = random.random(shape) < 0.02
    values["object_position"][odd] = random.choice([np.nan, np.inf, -np.inf, 1e300], (int(odd.sum()), 1))
    values["contact_force"][random.random(shape) < 0.02] = np.nan
    values["object_orientation"] = np.where(random.random((*shape, 1)) < 0.02, 0.0, values["object_orientation"])


def _observations(values: dict, present: np.ndarray, sureness: np.ndarray, rate: float) -> Iterator[list[StageObservation]]:
    names = list(values)
    plain = {name for name, value in values.items() if value.ndim == 2}
    columns = {name: values[name].tolist() if name in plain else values[name] for name in names}
    is_sure = (sureness == 1.0).all(axis=2).tolist()
    for episode, masks in enumerate(present.tolist()):
        observations = []
        for k, mask in enumerate(masks):
            given = {name: columns[name][episode][k] for name, there in zip(names, mask, strict=True) if there}
            confidence = {} if is_sure[episode][k] else dict(zip(names, sureness[episode, k].tolist(), strict=True))
            observations.append(StageObservation(stamp=k / rate, sequence=k, tier=9, confidence=confidence, **given))
        yield observations
