"""Facts of the arms this driver knows: joints, type number and speeds. Start at `find_model`.

Sources: the maker's user manuals; joint limits are in the URDFs beside, where the narrower of the arm's generations counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from stage_core.errors import ConfigurationError, nearest

FOLDER = Path(__file__).parents[1] / "models"
BASE_LINK = "xarm_link_base"
JOINT_SPEED = math.pi  # rad/s, of every joint of every model
TOOL_SPEED = 1.0  # m/s, of every model but the Lite 6, whose controller holds it to less
REDUCED_SHARE = 0.2  # of the joint speed, until full speed is asked (DESIGN 9.8)
REDUCED_TOOL_SPEED = 0.25  # m/s, likewise
SECOND_LINE = 1.2  # times SafeArm's limits: the controller's own, which end in an error, so a target that comes early must not reach them


@dataclass(frozen=True, kw_only=True)
class XArmModel:
    """One kind of arm.

    Attributes:
        name: As the workcell file says it.
        title: As its maker says it.
        axes: Joints.
        type_number: What its controller calls it.
        largest_payload: kg.
    """

    name: str
    title: str
    axes: int
    type_number: int
    largest_payload: float

    @property
    def urdf(self) -> Path:
        """The arm alone; its last link is the flange."""
        return FOLDER / f"{self.name}.urdf"

    @property
    def flange_link(self) -> str:
        """Name of the last link."""
        return f"xarm_link{self.axes}"

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the joints, base to wrist."""
        return tuple(f"joint{index + 1}" for index in range(self.axes))


MODELS = {
    "xarm6": XArmModel(name="xarm6", title="xArm 6", axes=6, type_number=6, largest_payload=5.0),
    "xarm7": XArmModel(name="xarm7", title="xArm 7", axes=7, type_number=7, largest_payload=3.5),
    "lite6": XArmModel(name="lite6", title="Lite 6", axes=6, type_number=9, largest_payload=1.0),
}


def find_model(name: str) -> XArmModel:
    """Return a model by name. Raises ConfigurationError for an unknown one."""
    if name not in MODELS:
        raise ConfigurationError(f"model is {name!r}; expected the arm on the table. {nearest(name, MODELS)}")
    return MODELS[name]


def title_of(axes: int, type_number: int) -> str:
    """Return what a controller says it drives, for messages."""
    for model in MODELS.values():
        if (model.axes, model.type_number) == (axes, type_number):
            return f"{model.title} ({model.name})"
    return f"an arm of {axes} axes, type {type_number}"
