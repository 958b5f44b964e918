"""The policy's contract: what it wants to see, what its actions mean, for which robot (DESIGN 9.7).

The server sends the contract on connect; the robot compares it with the workcell by `check_contract` and refuses to
move on a mismatch. Start at `PolicyContract`. Imports numpy and PyYAML at most, never torch.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from policy_server.contract_check import WorkcellOffer, check_contract, describe_workcell
from stage_core.configuration import from_mapping, load_yaml
from stage_core.errors import ConfigurationError, nearest

__all__ = [
    "ActionEntry",
    "CameraEntry",
    "NormalisationEntry",
    "PolicyContract",
    "StateEntry",
    "WorkcellOffer",
    "check_contract",
    "contract_from_metadata",
    "describe_workcell",
    "load_contract",
]

SCHEMA_VERSION = 1

# ArmState arrays a policy can ask for -> how many values they have; None: one per joint.
STATE_FIELDS: dict[str, int | None] = {
    "joint_positions": None,
    "joint_velocities": None,
    "ee_position": 3,
    "ee_orientation": 4,
    "gripper_opening": 1,
    "gripper_width": 1,
}
# What a field may be given in; the first is what Stage uses inside.
FIELD_UNITS: dict[str, tuple[str, ...]] = {
    "joint_positions": ("rad", "deg"),
    "joint_velocities": ("rad/s", "deg/s"),
    "ee_position": ("m", "mm"),
    "ee_orientation": ("1",),
    "gripper_opening": ("opening", "droid", "libero", "maniskill"),
    "gripper_width": ("m", "mm"),
}
ORIENTATION_ORDERS = {"xyzw": 4, "wxyz": 4, "rotation_vector": 3}
ACTION_DIMENSIONS: dict[str, int | None] = {
    "joint_position": None,
    "joint_velocity": None,
    "joint_delta": None,
    "ee_pose": 7,
    "ee_delta_pose": 6,
}


@dataclass(frozen=True, kw_only=True)
class CameraEntry:
    """One image the policy sees: (height, width, 3) uint8 RGB under `key`.

    Attributes:
        name: The camera's name in the workcell.
        key: Key in the observation.
        height: Pixels, after crop and resize.
        width: Pixels, after crop and resize.
        encoding: `rgb8` is (height, width, 3); `rgb8_chw` is (3, height, width), as ALOHA policies want it.
        resize: `stretch` to the size, `pad` keeps the aspect ratio with black bars, `none` asks for a camera of that size.
        crop: `none`, or `center`: the largest centred part with the aspect ratio of the size, before resizing.
    """

    name: str
    key: str
    height: int
    width: int
    encoding: Literal["rgb8", "rgb8_chw"] = "rgb8"
    resize: Literal["none", "stretch", "pad"] = "stretch"
    crop: Literal["none", "center"] = "none"

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            if not 1 <= getattr(self, name) <= 8192:
                raise ConfigurationError(f"{name} of camera {self.name} is {getattr(self, name)}; expected 1 to 8192 pixels.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the array under `key`."""
        return (3, self.height, self.width) if self.encoding == "rgb8_chw" else (self.height, self.width, 3)


@dataclass(frozen=True, kw_only=True)
class StateEntry:
    """One vector the policy sees: the fields one after the other, float32, under `key`.

    Attributes:
        key: Key in the observation.
        fields: Names out of `STATE_FIELDS`, in the order they are joined.
        unit: `si` (m, rad, rad/s, gripper as opening in [0, 1]) or one unit per field with commas, see `FIELD_UNITS`.
        order: Form of ee_orientation: `xyzw`, `wxyz` or `rotation_vector` (rad).
    """

    key: str
    fields: tuple[str, ...]
    unit: str = "si"
    order: str = "xyzw"

    def __post_init__(self) -> None:
        if not self.fields:
            raise ConfigurationError(f"state {self.key} has no fields; expected at least one of {', '.join(STATE_FIELDS)}.")
        for name in self.fields:
            if name not in STATE_FIELDS:
                raise ConfigurationError(f"state {self.key} has the field {name!r}. {nearest(name, STATE_FIELDS)}")
        if self.order not in ORIENTATION_ORDERS:
            raise ConfigurationError(f"order of state {self.key} is {self.order!r}. {nearest(self.order, ORIENTATION_ORDERS)}")
        units = self.units
        if len(units) != len(self.fields):
            raise ConfigurationError(f"unit of state {self.key} is {self.unit!r}; expected si or {len(self.fields)} units with commas.")
        for name, unit in zip(self.fields, units, strict=True):
            if unit not in FIELD_UNITS[name]:
                raise ConfigurationError(f"unit of {name} in state {self.key} is {unit!r}. {nearest(unit, FIELD_UNITS[name])}")

    @property
    def units(self) -> tuple[str, ...]:
        """One unit per field."""
        if self.unit.strip() in ("", "si"):
            return tuple(FIELD_UNITS[name][0] for name in self.fields)
        return tuple(part.strip() for part in self.unit.split(","))

    def width(self, joints: int) -> int:
        """Return the length of the vector for an arm of `joints` joints."""
        return sum(self.field_width(name, joints) for name in self.fields)

    def field_width(self, name: str, joints: int) -> int:
        """Return how many values `name` takes in the vector."""
        if name == "ee_orientation":
            return ORIENTATION_ORDERS[self.order]
        fixed = STATE_FIELDS[name]
        return joints if fixed is None else fixed


@dataclass(frozen=True, kw_only=True)
class ActionEntry:
    """What a row of the action chunk means.

    Attributes:
        space: One of `ACTION_DIMENSIONS` (DESIGN 9.1).
        dim: Columns of the chunk, the gripper's included: 7 for ee_delta_pose with a gripper.
        key: Key in the reply; its array is (horizon, dim).
        frame: `base` or `tool`, for ee_delta_pose.
        reference: What deltas are added to: the last `commanded` target or the `measured` pose.
        joint_names: Base to wrist; required for joint spaces and joint states, empty where any arm will do.
        gripper_convention: Meaning of the last column, see `transforms`; `none`: there is no gripper column.
        tool_frame: Link the pose belongs to: `ee`, the tool centre.
        delta_keys: Names of columns that are differences; for information.
    """

    space: Literal["joint_position", "joint_velocity", "joint_delta", "ee_pose", "ee_delta_pose"]
    dim: int
    key: str = "actions"
    frame: Literal["base", "tool"] = "base"
    reference: Literal["commanded", "measured"] = "commanded"
    joint_names: tuple[str, ...] = ()
    gripper_convention: Literal["opening", "droid", "libero", "maniskill", "none"] = "opening"
    tool_frame: str = "ee"
    delta_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        values = ACTION_DIMENSIONS[self.space]
        if values is None:
            if not self.joint_names:
                raise ConfigurationError(f"joint_names is empty; the action space {self.space} needs the joints' names, base to wrist.")
            values = len(self.joint_names)
        expected = values + (1 if self.has_gripper else 0)
        if self.dim != expected:
            gripper = " and the gripper" if self.has_gripper else ""
            raise ConfigurationError(f"dim is {self.dim}; expected {expected}: {values} for {self.space}{gripper}.")

    @property
    def has_gripper(self) -> bool:
        """True where the last column is the gripper's."""
        return self.gripper_convention != "none"

    @property
    def values_dim(self) -> int:
        """Columns for the arm alone."""
        return self.dim - (1 if self.has_gripper else 0)


@dataclass(frozen=True, kw_only=True)
class NormalisationEntry:
    """Which normaliser the policy holds; it normalises by itself, the robot only records the hash.

    Attributes:
        kind: `none`, or the normaliser's name (mean_std, quantile, ...).
        sha256: Of the normaliser file, lower-case hexadecimal; empty for `none`.
    """

    kind: str = "none"
    sha256: str = ""

    def __post_init__(self) -> None:
        if self.sha256 and not (len(self.sha256) == 64 and set(self.sha256) <= set("0123456789abcdef")):
            raise ConfigurationError(f"sha256 is {self.sha256!r}; expected 64 lower-case hexadecimal digits, or nothing.")


@dataclass(frozen=True, kw_only=True)
class PolicyContract:
    """Everything robot and policy must agree on before anything moves.

    Attributes:
        policy_name: For logs and pages.
        cameras: Images the policy sees.
        state: Vectors the policy sees.
        action: What comes back.
        control_rate_hz: Actions per second.
        horizon: Rows of a chunk.
        execute: How many actions run before the next request, 1 <= execute <= horizon.
        robot_models: Models the policy was made for; empty: any.
        prompt_key: Key of the instruction; empty: the policy takes none.
        normalisation: Which normaliser the policy holds.
        schema_version: 1.
    """

    policy_name: str
    cameras: tuple[CameraEntry, ...]
    state: tuple[StateEntry, ...]
    action: ActionEntry
    control_rate_hz: float
    horizon: int
    execute: int
    robot_models: tuple[str, ...] = ()
    prompt_key: str = "prompt"
    normalisation: NormalisationEntry = field(default_factory=NormalisationEntry)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise ConfigurationError(f"schema_version is {self.schema_version}; expected {SCHEMA_VERSION}. Update Stage or the contract.")
        if not self.policy_name:
            raise ConfigurationError("policy_name is empty; expected a name.")
        if not 0.1 <= self.control_rate_hz <= 1000.0:
            raise ConfigurationError(f"control_rate_hz is {self.control_rate_hz} Hz; expected 0.1 to 1000 Hz.")
        if not 1 <= self.execute <= self.horizon:
            raise ConfigurationError(f"execute is {self.execute}; expected 1 to horizon ({self.horizon}).")
        keys = [entry.key for entry in (*self.cameras, *self.state)] + ([self.prompt_key] if self.prompt_key else [])
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ConfigurationError(f"the observation key {twice[0]!r} is given twice; expected each key once.")
        if self.needs_joint_names and not self.action.joint_names:
            raise ConfigurationError("action.joint_names is empty; a state of joint_positions or joint_velocities needs the joints' names.")

    @property
    def needs_joint_names(self) -> bool:
        """True where joints appear in the action or the state."""
        in_state = any(STATE_FIELDS[name] is None for entry in self.state for name in entry.fields)
        return in_state or ACTION_DIMENSIONS[self.action.space] is None

    @property
    def observation(self) -> dict[str, dict[str, Any]]:
        """Observation key -> {shape, dtype}, as the server's metadata gives it. The prompt's dtype is `str`, its shape ()."""
        joints = len(self.action.joint_names)
        entries: dict[str, dict[str, Any]] = {}
        for camera in self.cameras:
            entries[camera.key] = {"shape": list(camera.shape), "dtype": "uint8"}
        for state in self.state:
            entries[state.key] = {"shape": [state.width(joints)], "dtype": "float32"}
        if self.prompt_key:
            entries[self.prompt_key] = {"shape": [], "dtype": "str"}
        return entries

    @property
    def state_fields(self) -> tuple[str, ...]:
        """Names of the ArmState arrays needed, each once."""
        return tuple(dict.fromkeys(name for entry in self.state for name in entry.fields))

    def to_dict(self, *, with_observation: bool = False) -> dict[str, Any]:
        """Return plain lists, dicts, texts and numbers: `contract.json`, or the metadata's form with `observation`."""
        content = json.loads(json.dumps(dataclasses.asdict(self)))
        if with_observation:
            content["observation"] = self.observation
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], *, source: str = "contract") -> PolicyContract:
        """Return the contract in a mapping; unknown keys are refused.

        Args:
            content: As `to_dict` gives it, with or without `observation`, which must then fit the rest.
            source: Where it comes from, for the message.

        Raises:
            ConfigurationError: Naming source, field, value and what was expected.
        """
        if not isinstance(content, Mapping):
            raise ConfigurationError(f"{source} is {type(content).__name__}; expected a mapping of keys to values.")
        rest = dict(content)
        observation = rest.pop("observation", None)
        contract = from_mapping(cls, rest, source=source)
        if observation is not None:
            _check_observation_entries(contract, observation, source)
        return contract


def _check_observation_entries(contract: PolicyContract, observation: Any, source: str) -> None:
    """Refuse an `observation` table that does not follow from the rest of the contract."""
    expected = contract.observation
    given = observation if isinstance(observation, Mapping) else {}
    for key in dict.fromkeys([*expected, *given]):
        entry = given.get(key)
        shape = list(entry.get("shape", ())) if isinstance(entry, Mapping) else None
        dtype = entry.get("dtype") if isinstance(entry, Mapping) else None
        wanted = expected.get(key)
        if wanted is None or shape != wanted["shape"] or dtype != wanted["dtype"]:
            raise ConfigurationError(f"{source}: observation.{key} is {entry!r}; expected {wanted!r}, as cameras and state say.")


def load_contract(path: str | Path) -> PolicyContract:
    """Return the contract in a JSON or YAML file (a checkpoint's contract.json, or one written for a plain openpi server).

    Raises:
        ConfigurationError: If it is missing or not a contract.
    """
    return PolicyContract.from_dict(load_yaml(path), source=str(path))  # JSON is YAML


def contract_from_metadata(metadata: Mapping[str, Any]) -> PolicyContract | None:
    """Return the contract in a server's metadata; None with a plain openpi server, which sends none.

    Raises:
        ConfigurationError: If there is one but it cannot be used.
    """
    content = metadata.get("contract")
    return None if content is None else PolicyContract.from_dict(content, source="the policy server's contract")
