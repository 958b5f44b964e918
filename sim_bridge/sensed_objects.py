"""Where ManiSkill's coloured things are, from one colour image and its depth. Start at `look`.

`robot_drivers.perception` finds patches of a colour; here are the colours of ManiSkill's cubes and peg, and the step from the peg's
two halves to its pose. Nothing of the simulator is imported: this runs on what a camera gives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.perception.locator import make_locator
from robot_drivers.perception.settings import ColourObject
from stage_core.geometry import normalise

BLUE, RED, GREEN = (200.0, 240.0), (345.0, 11.0), (100.0, 140.0)  # degrees of hue; the wooden table is at 20
HALVES_APART = 0.12  # m between the middles of the peg's halves
HALVES_TOLERANCE = 0.03  # m; halves seen otherwise are half hidden
WHOLE = 0.95  # a thing to put another on must be seen this completely: with its top hidden its middle seems too low
OBJECT, GOAL = "object", "goal"


def _coloured(hue_deg: tuple[float, float], size_m: float, surface_to_centre_m: float) -> ColourObject:
    return ColourObject(
        method="colour",
        camera="side",
        hue_deg=hue_deg,
        saturation=(0.45, 1.0),
        value=(0.25, 1.0),
        size_m=size_m,
        surface_to_centre_m=surface_to_centre_m,
    )


# A 4 cm cube seen from a corner covers what a square of 4.6 cm does; sizes and depths as measured on the seeds for tuning.
_CUBE, _HALF = (0.046, 0.016), (0.07, 0.022)
LOOKS: dict[str, dict[str, ColourObject]] = {
    "PushCube": {"cube": _coloured(BLUE, *_CUBE)},
    "PullCube": {"cube": _coloured(BLUE, *_CUBE)},
    "StackCube": {"cube": _coloured(RED, *_CUBE), "base": _coloured(GREEN, *_CUBE)},
    "LiftPegUpright": {"far": _coloured(BLUE, *_HALF), "near": _coloured(RED, *_HALF)},
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Sight:
    """What one image told of one thing, arm base frame.

    Attributes:
        name: `object` or `goal`.
        position: (3,) m, or None: looked and not seen.
        orientation: (4,) xyzw, or None where it cannot be known.
        confidence: In [0, 1].
    """

    name: str
    position: np.ndarray | None
    orientation: np.ndarray | None = None
    confidence: float = 0.0


def look(task: str, colour: np.ndarray, depth: np.ndarray, model: CameraModel, camera_in_base: np.ndarray) -> list[Sight]:
    """Return what one image shows of a task's object, and of its goal where that is a thing.

    Args:
        task: Stage's name of the task.
        colour: (H, W, 3) uint8 RGB.
        depth: (H, W) float32 m aligned to it, NaN or 0 where unknown.
        model: The camera.
        camera_in_base: (4, 4) of its optical frame in the arm base frame, as calibration has it.
    """
    seen: dict[str, Sight] = {}
    for name, settings in LOOKS[task].items():
        found = make_locator(settings).locate(colour, depth, model)
        if found is None:
            seen[name] = Sight(name=name, position=None)
        else:
            found = found.in_base(camera_in_base)
            seen[name] = Sight(name=name, position=found.position, confidence=found.confidence)
    if task == "LiftPegUpright":
        return [peg_of_halves(seen["near"], seen["far"])]
    sights = [Sight(name=OBJECT, position=seen["cube"].position, confidence=seen["cube"].confidence)]
    if "base" in seen and seen["base"].confidence >= WHOLE:
        sights.append(Sight(name=GOAL, position=seen["base"].position, confidence=seen["base"].confidence))
    return sights


def peg_of_halves(near: Sight, far: Sight) -> Sight:
    """Return the peg from its halves at local -x (`near`) and +x (`far`); the turn about its own axis is not known.

    The confidence is the less sure half's, and 0 where the halves are not as far apart as they are on the peg.
    """
    if near.position is None or far.position is None:
        return Sight(name=OBJECT, position=None)
    axis = far.position - near.position
    length = float(np.linalg.norm(axis))
    fits = abs(length - HALVES_APART) <= HALVES_TOLERANCE
    confidence = min(near.confidence, far.confidence) if fits else 0.0
    middle = 0.5 * (near.position + far.position)
    return Sight(name=OBJECT, position=middle, orientation=_along(axis / max(length, 1e-9)), confidence=confidence)


def _along(axis: np.ndarray) -> np.ndarray:
    """Return the orientation (4,) xyzw that turns x into `axis` by the shortest way."""
    if axis[0] < -1.0 + 1e-9:
        return np.array([0.0, 0.0, 1.0, 0.0])
    half = math.sqrt(2.0 * (1.0 + axis[0]))
    return np.array(normalise([0.0, -axis[2] / half, axis[1] / half, half / 2.0]))
