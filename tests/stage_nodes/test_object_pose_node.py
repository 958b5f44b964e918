"""object_pose_node as a process of its own: images in, object poses out, and what it says when it cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CameraInfo, Image
from stage_msgs.msg import ObjectState

from robot_drivers.calibration.transforms import to_matrix
from robot_drivers.camera import CameraDescription, CameraFrame
from robot_drivers.perception.settings import perception_from_mapping
from robot_drivers.workcell import load_workcell_config
from stage_core.errors import ConfigurationError
from stage_nodes.conversions import camera_info_to_message, depth_to_message, image_to_message, position_of
from stage_nodes.object_pose_node import make_watches
from stage_nodes.topics import reliable

sys.path.insert(0, str(Path(__file__).parents[1] / "robot_drivers"))
import perception_rig as rig

CONFIG = Path(__file__).parents[2] / "ros2_ws/src/stage_bringup/config"
CAMERA = rig.camera(width=320, height=240, focal=400.0)
ABOVE = [0.5, 0.0, 0.42, 1.0, 0.0, 0.0, 0.0]  # looks straight down
DESCRIPTION = CameraDescription(
    name="base", width=320, height=240, rate_hz=20.0, optical_frame="base_optical", intrinsics=CAMERA.intrinsics, has_depth=True
)
BLUE = {"method": "colour", "camera": "base", "hue_deg": [200.0, 260.0], "saturation": [0.5, 1.0], "value": [0.2, 1.0]}
OBJECTS = {
    "cube": {
        "method": "tag",
        "camera": "base",
        "family": "tag36h11",
        "tags": [{"id": 7, "size_m": 0.05, "object_position_m": [0, 0, -0.03], "object_orientation_xyzw": [0, 0, 0, 1]}],
    },
    "box": {**BLUE, "size_m": 0.04, "surface_to_centre_m": 0.02},
}


class Rig:
    """The node as a process, a camera that the test holds, and everything the node says."""

    def __init__(self, domain, folder: Path, *, extrinsics: dict | None, objects: dict | None = None) -> None:
        workcell = yaml.safe_load((CONFIG / "workcells/fake.yaml").read_text())
        if extrinsics is not None:
            workcell["cameras"]["base"]["extrinsics"] = extrinsics
        (folder / "cell.yaml").write_text(yaml.safe_dump(workcell))
        (folder / "seen.yaml").write_text(yaml.safe_dump({"schema_version": 1, "objects": objects or OBJECTS}, sort_keys=False))
        files = ["-p", f"workcell:={folder / 'cell.yaml'}", "-p", f"perception:={folder / 'seen.yaml'}"]
        self.process = domain.run("stage_nodes.object_pose_node", "--ros-args", *files)
        self.spin_until = domain.spin_until
        self.states: list[ObjectState] = []
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        node = domain.node
        self.images = node.create_publisher(Image, "cameras/base/image_raw", reliable(10))
        self.depths = node.create_publisher(Image, "cameras/base/depth", reliable(10))
        self.infos = node.create_publisher(CameraInfo, "cameras/base/camera_info", reliable(10))
        for name in OBJECTS:
            node.create_subscription(ObjectState, f"objects/{name}", self.states.append, reliable(50))
        node.create_subscription(DiagnosticArray, "/diagnostics", self._note, reliable(10))

    def _note(self, array: DiagnosticArray) -> None:
        self.diagnostics |= {status.name: status for status in array.status}

    def show(self, picture: np.ndarray, depth: np.ndarray, stamp: float) -> None:
        frame = CameraFrame(stamp=stamp, sequence=0, image=rig.photograph(picture, noise=2.0, blur=0.5), depth=depth)
        image = image_to_message(frame, DESCRIPTION)
        self.infos.publish(camera_info_to_message(DESCRIPTION, image.header.stamp))
        self.depths.publish(depth_to_message(frame, DESCRIPTION))
        self.images.publish(image)


@pytest.fixture
def start(domain, tmp_path):
    return lambda **more: Rig(domain, tmp_path, **more)


def extrinsics(**more) -> dict:
    return {
        "parent_frame": "base", "position_m": ABOVE[:3], "orientation_xyzw": ABOVE[3:], "residual_mm": 0.5, "residual_deg": 0.1,
        "date": "2026-05-04", "method": "by hand", **more,
    }  # fmt: skip


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return picture, depth, and where cube and box are in the base frame: a tag and a blue face, both 0.4 m below the camera."""
    camera = to_matrix(np.array(ABOVE))
    tag, face = rig.facing(0.4, aside=(-0.06, 0.0), tilt=0.25), rig.facing(0.4, aside=(0.07, 0.02))
    picture = np.repeat(rig.draw_tag(CAMERA, tag, size=0.05)[..., None], 3, axis=2)
    picture = rig.paint_plane(CAMERA, face, np.full((40, 40, 3), (30.0, 40.0, 200.0)), 0.001, picture)
    depth = np.full((240, 320), 0.4, np.float32)
    cube = camera @ tag @ to_matrix(np.array([0, 0, -0.03, 0, 0, 0, 1.0]))
    box = camera[:3, :3] @ (face[:3, 3] * (1 + 0.02 / np.linalg.norm(face[:3, 3]))) + camera[:3, 3]
    return picture, depth, cube[:3, 3], box


def test_poses_come_in_the_base_frame_with_the_images_stamp_and_a_lost_object_is_told(start):
    node = start(extrinsics=extrinsics())
    picture, depth, cube, box = scene()
    valid = lambda: {state.name: state for state in node.states if state.position_valid}  # noqa: E731
    assert node.spin_until(lambda: len(valid()) == 2, again=lambda: node.show(picture, depth, 12.25))
    assert position_of(valid()["cube"].pose) == pytest.approx(cube, abs=0.002)
    assert position_of(valid()["box"].pose) == pytest.approx(box, abs=0.003)
    assert (valid()["cube"].stamp.sec, valid()["cube"].stamp.nanosec) == (12, 250_000_000)
    assert (valid()["cube"].orientation_valid, valid()["box"].orientation_valid) == (True, False)
    assert valid()["cube"].confidence > 0.8

    node.states.clear()
    assert node.spin_until(lambda: {state.name for state in node.states} == set(OBJECTS), again=lambda: node.show(0 * picture, depth, 13.0))
    last = {state.name: state for state in node.states if state.stamp.sec == 13}
    assert not any(state.position_valid or state.confidence for state in last.values())
    node.diagnostics.clear()
    assert node.spin_until(lambda: node.diagnostics.get("/object_pose") and "lost: cube, box" in node.diagnostics["/object_pose"].message)


def test_a_camera_with_other_intrinsics_gives_no_pose_and_says_why(start):
    node = start(extrinsics=extrinsics(intrinsics_sha256="0" * 64))
    picture, depth, _, _ = scene()
    assert node.spin_until(lambda: node.states, again=lambda: node.show(picture, depth, 1.0))
    assert not any(state.position_valid for state in node.states)
    told = lambda: node.diagnostics.get("/object_pose") and "stage calibrate camera" in node.diagnostics["/object_pose"].message  # noqa: E731
    assert node.spin_until(told, again=lambda: node.show(picture, depth, 1.0))


def test_what_cannot_work_ends_the_node_in_one_line(start):
    node = start(extrinsics=extrinsics(), objects={"cube": {**OBJECTS["cube"], "tags": [{"id": 7, "size_m": 0.05}]}})
    printed, _ = node.process.communicate(timeout=30)
    assert node.process.returncode == 1
    lines = [line for line in printed.splitlines() if "error" in line]
    assert len(lines) == 1
    assert "objects.cube.tags[0].object_position_m is missing" in lines[0]


@pytest.mark.parametrize(("camera", "words"), [("base", 'objects.cube.camera: "base" has no extrinsics'), ("bass", 'Did you mean "base"')])
def test_a_camera_that_is_not_there_or_not_calibrated_is_refused(camera, words):
    objects = perception_from_mapping({"schema_version": 1, "objects": {"cube": {**OBJECTS["cube"], "camera": camera}}}, source="mine.yaml")
    with pytest.raises(ConfigurationError, match="^mine.yaml: ") as caught:
        make_watches(load_workcell_config(CONFIG / "workcells/fake.yaml"), objects, "mine.yaml")
    assert words in str(caught.value)
