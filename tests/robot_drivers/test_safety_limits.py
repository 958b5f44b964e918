from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from driver_rig import make_limits

from robot_drivers.safety import KeepOutPlane, SafetyLimits
from robot_drivers.workcell import load_workcell_config
from stage_core.configuration import from_mapping
from stage_core.errors import ConfigurationError

MAPPING = {
    "workspace_lower_m": [0.2, -0.3, 0.0],
    "workspace_upper_m": [0.6, 0.3, 0.5],
    "ee_speed_m_s": 0.25,
    "ee_angular_speed_rad_s": 1.0,
    "joint_margin_rad": 0.05,
    "joint_velocity_share": 0.2,
    "joint_acceleration_rad_s2": 5.0,
    "jump_distance_m": 0.05,
    "jump_angle_rad": 0.3,
    "jump_joint_rad": 0.3,
    "first_target_distance_m": 0.02,
    "first_target_angle_rad": 0.1,
    "stop_time_s": 0.3,
    "longest_valid_for_s": 0.1,
    "clock_jump_s": 0.05,
    "gripper_hysteresis": 0.05,
    "collision_spheres": [{"link": "hand", "center_m": [0, 0, 0.05], "radius_m": 0.06}],
    "keep_out_planes": [{"name": "table", "normal": [0, 0, 1], "offset_m": 0.0}],
    "keep_out_boxes": [{"name": "camera post", "lower_m": [0, 0.3, 0], "upper_m": [0.1, 0.4, 0.8]}],
}


def test_a_mapping_from_yaml_becomes_limits() -> None:
    limits = from_mapping(SafetyLimits, MAPPING, source="workcell.yaml", field="safety")
    assert limits.collision_spheres[0].radius_m == 0.06
    assert limits.workspace_upper_m == (0.6, 0.3, 0.5)


@pytest.mark.parametrize("name", [entry.name for entry in fields(SafetyLimits)])
def test_no_limit_has_a_default(name: str) -> None:
    mapping = {key: value for key, value in MAPPING.items() if key != name}
    with pytest.raises(ConfigurationError, match=f"safety.{name} is missing"):
        from_mapping(SafetyLimits, mapping, source="workcell.yaml", field="safety")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ee_speed_m_s": 250.0}, "ee_speed_m_s is 250.0; expected 0 < value <= 3. Metres per second, not millimetres"),
        ({"joint_velocity_share": 0.0}, "joint_velocity_share is 0.0"),
        ({"first_target_distance_m": 20.0}, "Metres, not millimetres"),
        ({"stop_time_s": 300.0}, "Seconds, not milliseconds"),
        ({"workspace_lower_m": (0.7, -0.3, 0.0)}, "workspace_lower_m x is 0.7 m; expected less than workspace_upper_m x = 0.55"),
        ({"workspace_upper_m": (550.0, 300.0, 500.0)}, "Metres, not millimetres"),
        ({"joint_margin_rad": -0.1}, "joint_margin_rad is -0.1"),
        ({"gripper_hysteresis": 5.0}, "a share of the full opening"),
        ({"collision_spheres": ()}, "collision_spheres is empty but keep-outs are given"),
    ],
)
def test_a_value_out_of_range_is_named_with_the_remedy(changes, words) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make_limits(**changes)


def test_a_plane_whose_normal_has_not_length_1_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="expected length 1. Divide it by 2"):
        KeepOutPlane(name="table", normal=(0.0, 0.0, 2.0), offset_m=0.0)


def test_the_bundled_workcells_load() -> None:
    folder = Path(__file__).parents[2] / "ros2_ws" / "src" / "stage_bringup" / "config" / "workcells"
    paths = sorted(folder.glob("*.yaml"))
    assert paths
    for path in paths:
        assert load_workcell_config(path).safety.ee_speed_m_s > 0.0
