"""Object poses from cameras as a node: one ObjectState per image and object on `objects/<name>`, in the arm base frame.

Which objects, in which camera and how is a file of config/perception; where the cameras are comes from the workcell file. The
stamp of a pose is its image's capture time; a camera on the hand is placed by the arm's pose at that time. Start at `_take`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from stage_msgs.msg import ArmState, ObjectState

from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.camera_extrinsics import extrinsics_of
from robot_drivers.perception.settings import ObjectSettings, load_perception
from robot_drivers.workcell import WorkcellConfig, load_workcell_config
from stage_core.errors import ConfigurationError
from stage_nodes.conversions import (
    depth_from_message,
    from_time,
    image_from_message,
    nanoseconds_of,
    object_state_to_message,
    orientation_of,
    position_of,
)
from stage_nodes.diagnostics import NodeDiagnostics
from stage_nodes.node_process import run_node
from stage_nodes.object_watch import HandHistory, ObjectWatch
from stage_nodes.parameters import read_parameters
from stage_nodes.topics import ARM_STATE, OBJECT_PREFIX, STATE_DEPTH, best_effort, camera_topic, reliable


@dataclass(frozen=True, kw_only=True)
class ObjectPoseParameters:
    """Parameters of object_pose_node."""

    workcell: str = field(metadata={"description": "workcell file; its cameras' extrinsics are used"})
    perception: str = field(metadata={"description": "perception file: which objects, in which camera, and how"})
    lost_after_s: float = field(default=0.5, metadata={"description": "an object not seen for longer is reported as lost"})

    def __post_init__(self) -> None:
        if not 0.0 < self.lost_after_s <= 10.0:
            raise ConfigurationError(f"lost_after_s is {self.lost_after_s} s; expected 0 < value <= 10 s. Seconds, not milliseconds?")


@dataclass
class _View:
    """One camera's newest messages; an image waits here for its depth and for the arm's state of its time."""

    watch: ObjectWatch
    model: CameraModel | None = None
    problem: str = "no CameraInfo yet"
    image: Image | None = None
    depth: Image | None = None


class ObjectPoseNode(Node):
    """Publishes what the cameras see of the objects."""

    def __init__(self) -> None:
        super().__init__("object_pose")
        self._parameters = read_parameters(self, ObjectPoseParameters)
        self._hand = HandHistory()
        self._diagnostics = NodeDiagnostics(self)
        workcell = load_workcell_config(self._parameters.workcell)
        objects = load_perception(self._parameters.perception)
        self._outputs = {name: self.create_publisher(ObjectState, OBJECT_PREFIX + name, reliable(STATE_DEPTH)) for name in objects}
        self._confidence = dict.fromkeys(objects, 0.0)
        self._views = {camera: _View(watch) for camera, watch in make_watches(workcell, objects, self._parameters.perception).items()}
        self.create_subscription(ArmState, ARM_STATE, self._on_arm_state, reliable(STATE_DEPTH))
        for camera, view in self._views.items():
            self._listen(camera, view)
        for name in objects:
            self._diagnostics.watch(name, max_age_s=self._parameters.lost_after_s)
        self.create_timer(0.5, self._report)
        self.get_logger().info(f"looking for {', '.join(f'{name} ({entry.method}, {entry.camera})' for name, entry in objects.items())}")

    def _listen(self, camera: str, view: _View) -> None:
        self.create_subscription(Image, camera_topic(camera, "image_raw"), lambda message: self._on_image(view, message), best_effort(2))
        self.create_subscription(
            CameraInfo, camera_topic(camera, "camera_info"), lambda message: self._on_info(view, message), best_effort()
        )
        if view.watch.needs_depth:
            self.create_subscription(Image, camera_topic(camera, "depth"), lambda message: self._on_depth(view, message), best_effort(2))
        self._diagnostics.watch(f"images of {camera}", max_age_s=self._parameters.lost_after_s)

    def _on_info(self, view: _View, message: CameraInfo) -> None:
        """Keep the intrinsics; while they are not the calibrated ones every pose of this camera would be wrong, so there is none."""
        matrix, distortion = np.array(message.k).reshape(3, 3), np.array(message.d)
        model = view.model
        if model is not None and np.array_equal(model.intrinsics, matrix) and np.array_equal(model.distortion, distortion):
            return
        try:
            view.model = CameraModel(width=message.width, height=message.height, intrinsics=matrix, distortion=distortion)
            view.watch.check(view.model)
            view.problem = ""
        except ConfigurationError as error:
            view.problem = str(error)
            self.get_logger().error(str(error))

    def _on_arm_state(self, message: ArmState) -> None:
        pose = message.ee_pose
        self._hand.add(from_time(message.header.stamp), np.concatenate([position_of(pose), orientation_of(pose)]))
        for view in self._views.values():
            self._take(view)

    def _on_depth(self, view: _View, message: Image) -> None:
        view.depth = message
        self._take(view)

    def _on_image(self, view: _View, message: Image) -> None:
        if view.image is not None:
            self._take(view, last_chance=True)
        view.image = message
        self._diagnostics.tick(f"images of {view.watch.camera}")
        self._take(view)

    def _take(self, view: _View, *, last_chance: bool = False) -> None:
        """Look at the waiting image once everything it needs is there; `last_chance`: a newer image is about to take its place."""
        message = view.image
        if message is None:
            return
        watch, stamp = view.watch, from_time(message.header.stamp)
        depth = (
            view.depth
            if view.depth is not None and nanoseconds_of(view.depth.header.stamp) == nanoseconds_of(message.header.stamp)
            else None
        )
        waits_for_depth = watch.needs_depth and depth is None
        if not last_chance and (waits_for_depth or (watch.on_hand and not self._hand.covers(stamp))):
            return
        view.image = None
        if view.problem or waits_for_depth:
            seen = dict.fromkeys(watch.names)
        else:
            arrays = image_from_message(message), None if depth is None else depth_from_message(depth)
            seen = watch.look(*arrays, view.model, self._hand.at(stamp) if watch.on_hand else None)
        for name, pose in seen.items():
            self._outputs[name].publish(object_state_to_message(name, pose, message.header.stamp))
            if pose is not None:
                self._diagnostics.tick(name)
                self._confidence[name] = pose.confidence

    def _report(self) -> None:
        problems = {view.watch.camera: view.problem for view in self._views.values() if view.problem}
        ages = {name: self._diagnostics.age(name) for name in self._outputs}
        lost = [name for name, age in ages.items() if age > self._parameters.lost_after_s]
        values = {
            name: "never seen" if math.isinf(age) else f"{age:.2f} s ago, confidence {self._confidence[name]:.2f}"
            for name, age in ages.items()
        }
        if problems:
            self._diagnostics.set_status(
                DiagnosticStatus.ERROR, "; ".join(f"{name}: {words}" for name, words in problems.items()), **values
            )
        elif lost:
            self._diagnostics.set_status(DiagnosticStatus.WARN, f"lost: {', '.join(lost)}", **values)
        else:
            self._diagnostics.set_status(DiagnosticStatus.OK, "every object is seen", **values)


def make_watches(workcell: WorkcellConfig, objects: dict[str, ObjectSettings], source: str) -> dict[str, ObjectWatch]:
    """Return camera -> what is looked for in its images.

    Raises:
        ConfigurationError: If an object names a camera that the workcell has not, or one that was never calibrated.
    """
    cameras: dict[str, dict[str, ObjectSettings]] = {}
    for name, settings in objects.items():
        cameras.setdefault(settings.camera, {})[name] = settings
    watches = {}
    for camera, wanted in cameras.items():
        try:
            extrinsics = extrinsics_of(workcell, camera)
        except ConfigurationError as error:
            raise ConfigurationError(f"{source}: objects.{next(iter(wanted))}.camera: {error}") from None
        if extrinsics is None:
            raise ConfigurationError(
                f'{source}: objects.{next(iter(wanted))}.camera: "{camera}" has no extrinsics in {workcell.name}. Run: stage calibrate camera'
            )
        watches[camera] = ObjectWatch(camera, wanted, extrinsics)
    return watches


def main() -> int:
    """Run the object poses as a process."""
    return run_node(ObjectPoseNode)


if __name__ == "__main__":
    raise SystemExit(main())
