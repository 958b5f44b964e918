from __future__ import annotations

import numpy as np
import pytest
from driver_rig import Rig, make_limits

from robot_drivers.fake_devices import HOME, FakeArm
from robot_drivers.kinematics import Kinematics
from robot_drivers.safety import CollisionSphere, KeepOutBox, KeepOutPlane
from robot_drivers.safety.keep_out import KeepOut
from stage_core.errors import ConfigurationError

BALL = (CollisionSphere(link="fake_tool", center_m=(0.0, 0.0, 0.0), radius_m=0.02),)
TOOL = np.array([0.3708, 0.0, 0.22])  # where the home pose has the tool centre


@pytest.fixture(scope="module")
def kinematics() -> Kinematics:
    return Kinematics.from_description(FakeArm().description)


def clearance(kinematics, **changes) -> tuple[float, str]:
    limits = make_limits(**{"collision_spheres": BALL, "keep_out_planes": (), "keep_out_boxes": (), **changes})
    return KeepOut(limits, kinematics).clearance(np.array(HOME))


def test_the_clearance_of_a_plane_is_its_distance_less_the_radius(kinematics) -> None:
    plane = KeepOutPlane(name="table", normal=(0.0, 0.0, 1.0), offset_m=0.05)
    distance, place = clearance(kinematics, keep_out_planes=(plane,))
    assert distance == pytest.approx(0.22 - 0.05 - 0.02, abs=1e-4)
    assert place == "fake_tool to table"


def test_the_clearance_of_a_box_counts_to_its_nearest_face_edge_or_inside(kinematics) -> None:
    def box(lower, upper):
        return clearance(kinematics, keep_out_boxes=(KeepOutBox(name="post", lower_m=tuple(lower), upper_m=tuple(upper)),))[0]

    face = box(TOOL + [0.1, -0.05, -0.05], TOOL + [0.2, 0.05, 0.05])
    assert face == pytest.approx(0.1 - 0.02, abs=1e-4)
    edge = box(TOOL + [0.03, 0.04, -0.05], TOOL + [0.2, 0.2, 0.05])
    assert edge == pytest.approx(0.05 - 0.02, abs=1e-4)  # 3, 4, 5
    inside = box(TOOL - [0.01, 0.1, 0.1], TOOL + [0.1, 0.1, 0.1])
    assert inside == pytest.approx(-0.01 - 0.02, abs=1e-4)


def test_without_keep_outs_everything_is_clear(kinematics) -> None:
    assert clearance(kinematics) == (float("inf"), "")


def test_a_sphere_on_a_link_that_does_not_exist_is_named(kinematics) -> None:
    with pytest.raises(ConfigurationError, match='Did you mean "fake_tool"'):
        clearance(kinematics, collision_spheres=(CollisionSphere(link="fake_tol", center_m=(0, 0, 0), radius_m=0.02),))


def test_an_arm_that_already_touches_may_move_away_but_not_deeper() -> None:
    plane = KeepOutPlane(name="table", normal=(0.0, 0.0, 1.0), offset_m=0.22)  # the ball starts 2 cm inside
    rig = Rig(collision_spheres=BALL, keep_out_planes=(plane,))
    start = rig.position[2]
    rig.delta(z=-0.01)
    rig.step()
    assert rig.position[2] == pytest.approx(start, abs=1e-4)
    rig.delta(z=0.01)
    rig.step()
    assert rig.position[2] == pytest.approx(start + 0.01, abs=1e-4)
