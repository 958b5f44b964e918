"""What kinds of arm there are: type number, joints, ranges, Denavit-Hartenberg table, largest payload and speeds.

Sources: the joint ranges and speeds of the vendor's user manuals (xArm, Lite 6, 850), and the standard Denavit-Hartenberg
tables of the vendor's article "Kinematic and dynamic parameters". Angles in radians, lengths in millimetres, as on the wire.
Start at `MODELS`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

TURN = 2.0 * math.pi


@dataclass(frozen=True, kw_only=True)
class Model:
    """One kind of arm."""

    type_number: int
    serial_prefix: str
    joint_ranges: tuple[tuple[float, float], ...]  # (n,) of (lowest, highest), rad
    links: tuple[tuple[float, float, float, float], ...]  # (n,) of (angle offset rad, d mm, alpha rad, a mm), standard convention
    tool_speed: float  # mm/s, the largest of the tool point
    payload: float  # kg, the largest

    @property
    def axes(self) -> int:
        """Return the number of joints."""
        return len(self.joint_ranges)


def _degrees(*ranges: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    return tuple((math.radians(low), math.radians(high)) for low, high in ranges)


_TILT = math.atan2(284.5, 53.5)  # the upper arm of the 5 and 6 joint arms leans by this at joint zero
_UPPER = math.hypot(284.5, 53.5)
_FORE_TILT = math.atan2(342.5, 77.5)
_FORE = math.hypot(342.5, 77.5)
_RIGHT = math.pi / 2.0
_ANY = (-360.0, 360.0)

MODELS: dict[str, Model] = {
    "xarm5": Model(
        type_number=5,
        serial_prefix="XF1300",
        joint_ranges=_degrees(_ANY, (-118, 120), (-225, 11), (-97, 180), _ANY),
        links=(
            (0.0, 267.0, -_RIGHT, 0.0),
            (-_TILT, 0.0, 0.0, _UPPER),
            (_TILT + _FORE_TILT, 0.0, 0.0, _FORE),
            (-_FORE_TILT, 0.0, -_RIGHT, 76.0),
            (0.0, 97.0, 0.0, 0.0),
        ),
        tool_speed=1000.0,
        payload=3.0,
    ),
    "xarm6": Model(
        type_number=6,
        serial_prefix="XI1300",
        joint_ranges=_degrees(_ANY, (-118, 120), (-225, 11), _ANY, (-97, 180), _ANY),
        links=(
            (0.0, 267.0, -_RIGHT, 0.0),
            (-_TILT, 0.0, 0.0, _UPPER),
            (_TILT, 0.0, -_RIGHT, 77.5),
            (0.0, 342.5, _RIGHT, 0.0),
            (0.0, 0.0, -_RIGHT, 76.0),
            (0.0, 97.0, 0.0, 0.0),
        ),
        tool_speed=1000.0,
        payload=5.0,
    ),
    "xarm7": Model(
        type_number=7,
        serial_prefix="XS1300",
        joint_ranges=_degrees(_ANY, (-118, 120), _ANY, (-11, 225), _ANY, (-97, 180), _ANY),
        links=(
            (0.0, 267.0, -_RIGHT, 0.0),
            (0.0, 0.0, _RIGHT, 0.0),
            (0.0, 293.0, _RIGHT, 52.5),
            (0.0, 0.0, _RIGHT, 77.5),
            (0.0, 342.5, _RIGHT, 0.0),
            (0.0, 0.0, -_RIGHT, 76.0),
            (0.0, 97.0, 0.0, 0.0),
        ),
        tool_speed=1000.0,
        payload=3.5,
    ),
    "lite6": Model(
        type_number=9,
        serial_prefix="LI1000",
        joint_ranges=_degrees(_ANY, (-150, 150), (-3.5, 300), _ANY, (-124, 124), _ANY),
        links=(
            (0.0, 243.3, -_RIGHT, 0.0),
            (-_RIGHT, 0.0, math.pi, 200.0),
            (-_RIGHT, 0.0, _RIGHT, 87.0),
            (0.0, 227.6, _RIGHT, 0.0),
            (0.0, 0.0, -_RIGHT, 0.0),
            (0.0, 61.5, 0.0, 0.0),
        ),
        tool_speed=500.0,
        payload=1.0,
    ),
    "850": Model(
        type_number=12,
        serial_prefix="FX8500",
        joint_ranges=_degrees(_ANY, (-132, 132), (-242, 3.5), _ANY, (-124, 124), _ANY),
        links=(
            (0.0, 364.0, _RIGHT, 0.0),
            (_RIGHT, 0.0, math.pi, 390.0),
            (_RIGHT, 0.0, -_RIGHT, 150.0),
            (0.0, 426.0, -_RIGHT, 0.0),
            (0.0, 0.0, _RIGHT, 0.0),
            (0.0, 90.0, 0.0, 0.0),
        ),
        tool_speed=1000.0,
        payload=5.0,
    ),
}

# Arms of generation 1305 on have somewhat narrower joints 2 and 3 (4 on the xArm 7): joint number and range.
NARROWER_SINCE = 1305
NARROWER: dict[str, dict[int, tuple[float, float]]] = {
    name: {2: (math.radians(-117), math.radians(116)), elbow: (math.radians(low), math.radians(high))}
    for name, elbow, low, high in (("xarm5", 3, -219, 10), ("xarm6", 3, -219, 10), ("xarm7", 4, -6, 225))
}


def model_of(robot_type: str, serial: str) -> Model:
    """Return the model of an arm with this serial number, whose characters 3 to 6 are its generation."""
    model, generation = MODELS[robot_type], serial[2:6]
    if not generation.isdigit() or int(generation) < NARROWER_SINCE or robot_type not in NARROWER:
        return model
    ranges = [NARROWER[robot_type].get(joint, usual) for joint, usual in enumerate(model.joint_ranges, 1)]
    return replace(model, joint_ranges=tuple(ranges))


JOINT_SPEED = math.radians(180.0)  # rad/s
JOINT_ACCELERATION = math.radians(1145.0)  # rad/s^2
JOINT_JERK = math.radians(28647.0)  # rad/s^3
TOOL_ACCELERATION = 50000.0  # mm/s^2
TOOL_JERK = 100000.0  # mm/s^3
