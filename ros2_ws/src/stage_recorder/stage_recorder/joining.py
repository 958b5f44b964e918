"""From messages to arrays: what belongs to which control step.

Commands, labels and outcomes are joined by sequence. Images are joined by stamp: the newest with stamp <= the state's,
which in lockstep is the image of the same stamp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stage_core.observation import StageObservation
from stage_recorder.schema import EpisodeError
from stage_recorder.streams import Message, Streams, seconds, stamp_of

HOLD = "hold"
NO_SOURCE = ("", "none")


@dataclass(frozen=True)
class Actions:
    """Actions of T steps; rows without an action are NaN.

    Attributes:
        space: The action space most commands have, empty without any.
        values: (T, d) float64 in the units of the space.
        gripper: (T,) float64 opening in [0, 1].
        sources: T names of the commanding source, "none" without one.
    """

    space: str
    values: np.ndarray
    gripper: np.ndarray
    sources: list[str]


def pose_arrays(pose: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return (3,) position in m and (4,) xyzw orientation of a geometry_msgs/Pose."""
    position, orientation = pose["position"], pose["orientation"]
    return (
        np.array([position["x"], position["y"], position["z"]]),
        np.array([orientation["x"], orientation["y"], orientation["z"], orientation["w"]]),
    )


def state_arrays(states: list[Message]) -> dict[str, np.ndarray]:
    """Return name -> (T, d) float64 of ArmState messages: rad, rad/s, m, xyzw, opening in [0, 1]. A missing array gives NaN rows."""
    poses = [pose_arrays(state["ee_pose"]) for state in states]
    return {
        "joint_positions": _rows([state["joint_positions"] for state in states]),
        "joint_velocities": _rows([state["joint_velocities"] for state in states]),
        "ee_position": np.array([pose[0] for pose in poses]).reshape(-1, 3),
        "ee_orientation": np.array([pose[1] for pose in poses]).reshape(-1, 4),
        "gripper_opening": np.array([[state["gripper_opening"]] for state in states], dtype=np.float64),
        "gripper_width": np.array([[state["gripper_width"]] for state in states], dtype=np.float64),
    }


def _rows(entries: list[np.ndarray]) -> np.ndarray:
    width = max((len(entry) for entry in entries), default=0)
    rows = np.full((len(entries), width), np.nan)
    for row, entry in zip(rows, entries, strict=True):
        row[: len(entry)] = entry
    return rows


def is_lockstep(streams: Streams) -> bool:
    """Return whether every state but the last was answered by a command of its own stamp, which only lockstep promises."""
    stamps = {state["sequence"]: stamp_of(state) for state in streams.states}
    commands = [command for entries in streams.commands.values() for command in entries if command["sequence"] in stamps]
    answered = {command["sequence"] for command in commands if stamps[command["sequence"]] == stamp_of(command)}
    return bool(commands) and all(sequence in answered for sequence in list(stamps)[:-1])


def join_actions(streams: Streams, *, lockstep: bool) -> Actions:
    """Return the action of the active source for every state.

    The command with the state's sequence counts (the last one, if a source sent several). A free-running arm may publish states
    that no command answers; the command still in force at such a state (stamp <= the state's <= stamp + valid_for) counts there.
    """
    spoken = [state["source"] for state in streams.states]
    anyone = all(source in NO_SOURCE for source in spoken)  # an arm that does not tell its source
    by_sequence = {source: {command["sequence"]: command for command in entries} for source, entries in streams.commands.items()}
    chosen: list[Message | None] = []
    sources: list[str] = []
    for row, state in enumerate(streams.states):
        # A command may come with the switch itself, after this state was published: then the next state names its source.
        candidates = by_sequence if anyone else [source for source in spoken[row : row + 2] if source not in NO_SOURCE]
        command, source = None, "none" if anyone or spoken[row] in NO_SOURCE else spoken[row]
        for candidate in candidates:
            command = by_sequence.get(candidate, {}).get(state["sequence"])
            if command is not None:
                source = candidate
                break
        chosen.append(command)
        sources.append(source)
    if not lockstep:
        _fill_by_validity(streams, chosen, sources, anyone)
    space, values, gripper = _action_arrays(chosen)
    return Actions(space, values, gripper, sources)


def _fill_by_validity(streams: Streams, chosen: list[Message | None], sources: list[str], anyone: bool) -> None:
    for source, entries in streams.commands.items():
        ordered = sorted(entries, key=stamp_of)
        stamps = np.array([stamp_of(command) for command in ordered], dtype=np.int64)
        for row, state in enumerate(streams.states):
            if chosen[row] is not None or not (anyone or sources[row] == source):
                continue
            place = int(np.searchsorted(stamps, stamp_of(state), side="right")) - 1
            if place >= 0 and stamp_of(state) - stamps[place] <= ordered[place]["valid_for"] * 1e9:
                chosen[row], sources[row] = ordered[place], source


def _action_arrays(chosen: list[Message | None], space: str = "") -> tuple[str, np.ndarray, np.ndarray]:
    moving = [command for command in chosen if command is not None and command["action_space"] != HOLD]
    if not space and moving:
        names = [command["action_space"] for command in moving]
        space = max(dict.fromkeys(names), key=names.count)
    width = max((len(command["values"]) for command in moving if command["action_space"] == space), default=0)
    values, gripper = np.full((len(chosen), width), np.nan), np.full(len(chosen), np.nan)
    for row, command in enumerate(chosen):
        if command is None:
            continue
        gripper[row] = command["gripper"]
        if command["action_space"] == space and len(command["values"]) == width:
            values[row] = command["values"]
    return space, values, gripper


def join_intended(streams: Streams, actions: Actions) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Return (T, d) values and (T,) gripper of what the demonstrator meant; the action itself at steps without its word."""
    if not streams.intended:
        return None, None
    by_sequence = {command["sequence"]: command for command in streams.intended}
    chosen = [by_sequence.get(state["sequence"]) for state in streams.states]
    _, values, gripper = _action_arrays(chosen, actions.space)
    if values.shape[1] != actions.values.shape[1]:
        values = np.full_like(actions.values, np.nan)
    missing = np.isnan(values).any(axis=1) if values.shape[1] else np.ones(len(chosen), dtype=bool)
    silent = np.array([command is None for command in chosen])
    return np.where(missing[:, None], actions.values, values), np.where(silent, actions.gripper, gripper)


def join_image(streams: Streams, camera: str) -> np.ndarray:
    """Return (T, H, W, 3) uint8 RGB of one camera. States before its first image get the first one.

    Raises:
        EpisodeError: If the images are not rgb8 or change their size.
    """
    images = sorted(streams.images[camera], key=stamp_of)
    stamps = np.array([stamp_of(image) for image in images], dtype=np.int64)
    wanted = np.array([stamp_of(state) for state in streams.states], dtype=np.int64)
    places = np.maximum(np.searchsorted(stamps, wanted, side="right") - 1, 0)
    height, width = images[0]["height"], images[0]["width"]
    joined = np.empty((len(places), height, width, 3), dtype=np.uint8)
    for row, place in enumerate(places):
        image = images[place]
        if image["encoding"] != "rgb8" or (image["height"], image["width"]) != (height, width):
            raise EpisodeError(
                f"camera {camera} recorded {image['encoding']} of {image['width']}x{image['height']};"
                f" expected rgb8 of {width}x{height} throughout. Record with one setting."
            )
        joined[row] = image["data"].reshape(height, image["step"])[:, : 3 * width].reshape(height, width, 3)
    return joined


def stage_observation(message: Message) -> StageObservation:
    """Return a StageObservation message as plain data; what is marked invalid becomes None."""
    ee = pose_arrays(message["ee_pose"]) if message["ee_valid"] else (None, None)
    things = {}
    for name in ("object", "goal"):
        position, orientation = pose_arrays(message[name]["pose"])
        things[f"{name}_position"] = position if message[name]["position_valid"] else None
        things[f"{name}_orientation"] = orientation if message[name]["orientation_valid"] else None
    flags = {name: None if message[name] < 0 else bool(message[name]) for name in ("grasped", "contact", "released", "object_static")}
    numbers = {name: None if np.isnan(message[name]) else message[name] for name in ("contact_force", "gripper_width", "gripper_effort")}
    return StageObservation(
        stamp=seconds(stamp_of(message)),
        sequence=message["sequence"],
        episode=message["episode"],
        tier=message["tier"],
        ee_position=ee[0],
        ee_orientation=ee[1],
        confidence=dict(zip(message["confidence_names"], map(float, message["confidence_values"]), strict=True)),
        input_stamps=dict(zip(message["input_names"], map(seconds, message["input_stamps"]), strict=True)),
        **things,
        **flags,
        **numbers,
    )
