"""Poses as libfranka writes them (16 numbers, column by column), and what hangs on the flange. Start at `plan_tool`.

Desk configures the end-effector (mass, centre of mass, and the frame NE on it). A client adds the frame EE on NE and a
load. What the controller uses is the sum, and that sum must be what the workcell file says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MASS_AGREES_KG = 0.05
CENTER_AGREES_M = 0.01
SMALLEST_LOAD_KG = 0.001
LOAD_RADIUS_M = 0.05  # the load is taken for a solid ball of this radius: its inertia matters little beside the arm's
FARTHEST_CENTER_M = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class DeskTool:
    """What Desk says of the end-effector: mass kg, centre (3,) m in the flange frame, flange_to_nominal (4, 4)."""

    mass: float
    center_of_mass: np.ndarray
    flange_to_nominal: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class ToolPlan:
    """What a client must set: nominal_to_tool (4, 4), and a load of mass kg, centre (3,) m (flange frame), inertia (3, 3) kg m2."""

    nominal_to_tool: np.ndarray
    load_mass: float
    load_center_of_mass: np.ndarray
    load_inertia: np.ndarray


def matrix_from_pose(pose: np.ndarray) -> np.ndarray:
    """Return the homogeneous (4, 4) matrix of a pose (7,) m and xyzw."""
    x, y, z, w = np.asarray(pose[3:], dtype=np.float64) / np.linalg.norm(pose[3:])
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
        [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
        [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
    ]
    matrix[:3, 3] = pose[:3]
    return matrix


def pose_from_matrix(matrix: np.ndarray) -> np.ndarray:
    """Return (7,) m and xyzw of a homogeneous (4, 4) matrix, by the largest of the four quaternion parts."""
    r = np.asarray(matrix, dtype=np.float64)
    squares = [
        1.0 + r[0, 0] - r[1, 1] - r[2, 2],
        1.0 - r[0, 0] + r[1, 1] - r[2, 2],
        1.0 - r[0, 0] - r[1, 1] + r[2, 2],
        1.0 + np.trace(r[:3, :3]),
    ]
    largest = int(np.argmax(squares))
    quaternion = {
        0: [squares[0], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
        1: [r[0, 1] + r[1, 0], squares[1], r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
        2: [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], squares[2], r[1, 0] - r[0, 1]],
        3: [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], squares[3]],
    }[largest]
    return np.concatenate([r[:3, 3], np.array(quaternion) / np.linalg.norm(quaternion)])


def columns(matrix: np.ndarray) -> list[float]:
    """Return a matrix as libfranka wants it: column by column."""
    return np.asarray(matrix, dtype=np.float64).flatten(order="F").tolist()


def plan_tool(desk: DeskTool, *, flange_to_tool: np.ndarray, mass: float, center_of_mass: np.ndarray, desk_mass: float) -> ToolPlan | str:
    """Return what to set so that the controller's tool is the workcell's, or in words why Desk's end-effector does not allow it.

    Args:
        desk: From the controller.
        flange_to_tool: (7,) m and xyzw.
        mass: kg of everything beyond the flange.
        center_of_mass: (3,) m of all that, flange frame.
        desk_mass: kg that the workcell file expects of Desk's end-effector.
    """
    # Desk may have none at all: then the whole payload is set as a load, and the sum is right all the same.
    if desk.mass > SMALLEST_LOAD_KG and abs(desk.mass - desk_mass) > MASS_AGREES_KG:
        return (
            f"wrong end-effector: Desk has one of {desk.mass:.2f} kg, the workcell expects {desk_mass:.2f} kg (desk_end_effector_mass_kg). "
            "Choose the right one in Desk (Settings, End Effector), or correct the workcell file."
        )
    load = mass - desk.mass
    nominal_to_tool = np.linalg.inv(desk.flange_to_nominal) @ matrix_from_pose(flange_to_tool)
    center = np.asarray(center_of_mass, dtype=np.float64)
    if load < SMALLEST_LOAD_KG:
        apart = float(np.abs(center - desk.center_of_mass).max())
        if load < -MASS_AGREES_KG or (mass > SMALLEST_LOAD_KG and apart > CENTER_AGREES_M):
            return (
                f"wrong end-effector: Desk says {desk.mass:.2f} kg at {_metres(desk.center_of_mass)} m, the workcell {mass:.2f} kg at {_metres(center)} m. "
                "Correct Desk's end-effector, or payload_mass and payload_center_of_mass."
            )
        return ToolPlan(nominal_to_tool=nominal_to_tool, load_mass=0.0, load_center_of_mass=np.zeros(3), load_inertia=np.zeros((3, 3)))
    # total * c = desk * c_desk + load * c_load, all in the flange frame
    load_center = (mass * center - desk.mass * desk.center_of_mass) / load
    if float(np.linalg.norm(load_center)) > FARTHEST_CENTER_M:
        return (
            f"wrong end-effector: with Desk's {desk.mass:.2f} kg at {_metres(desk.center_of_mass)} m the other {load:.3f} kg would sit at "
            f"{_metres(load_center)} m. Correct payload_center_of_mass, or Desk's end-effector."
        )
    inertia = np.eye(3) * 0.4 * load * LOAD_RADIUS_M**2
    return ToolPlan(nominal_to_tool=nominal_to_tool, load_mass=load, load_center_of_mass=load_center, load_inertia=inertia)


def _metres(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.3f}" for value in values) + ")"
