"""One camera as a node: images, CameraInfo and ImageInfo, at the camera's rate or when the workcell steps.

On a robot each camera is a process of its own (`main`); a simulation's arm node hosts the same class and calls
`publish_frame` after each step.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CameraInfo, Image
from stage_msgs.msg import ImageInfo

from robot_drivers.camera import Camera, CameraFrame
from robot_drivers.workcell import open_workcell
from stage_core.errors import ConfigurationError, DeadlineError, DeviceError, nearest
from stage_nodes.conversions import camera_info_to_message, depth_to_message, image_to_message
from stage_nodes.diagnostics import NodeDiagnostics
from stage_nodes.lifecycle import StageLifecycleNode
from stage_nodes.node_process import CAMERAS, ask_for_precedence, run_node
from stage_nodes.parameters import read_parameters
from stage_nodes.topics import IMAGE_DEPTH, camera_topic, reliable
from stage_nodes.transport import check_image_transport
from stage_nodes.workcell_parameters import WorkcellParameters


@dataclass(frozen=True, kw_only=True)
class CameraParameters(WorkcellParameters):
    """Parameters of camera_node."""

    camera: str = field(metadata={"description": "name of the camera in the workcell file"})


class CameraNode(StageLifecycleNode):
    """Publishes one camera. `camera` is given where another node hosts this one, else it comes from the workcell file."""

    def __init__(self, name: str, camera: Camera | None = None, *, namespace: str = "") -> None:
        # A hosted node must not take the name that the command line gives to its host.
        super().__init__(f"camera_{name}" if camera else "camera", namespace=namespace, use_global_arguments=camera is None)
        self._camera = camera
        self._camera_name = name
        self._hosted = camera is not None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def bring_up(self) -> None:
        if self._camera is None:
            self._camera = self._open()
        self._camera.connect()
        description = self._camera.description
        check_image_transport(self._camera_name, description.width * description.height * (4 if description.has_depth else 3))

    def start(self) -> None:
        name, depth = self._camera_name, reliable(IMAGE_DEPTH)
        self._images = self.create_publisher(Image, camera_topic(name, "image_raw"), depth)
        self._depths = self.create_publisher(Image, camera_topic(name, "depth"), depth) if self._camera.description.has_depth else None
        self._calibrations = self.create_publisher(CameraInfo, camera_topic(name, "camera_info"), depth)
        self._informations = self.create_publisher(ImageInfo, camera_topic(name, "image_info"), depth)
        self._diagnostics = NodeDiagnostics(self)
        self._diagnostics.watch("images", max_age_s=3.0 / self._camera.description.rate_hz if not self._hosted else math.inf)
        if not self._hosted:
            ask_for_precedence(CAMERAS)
            self._thread = threading.Thread(target=self._capture_forever, name="capture", daemon=True)
            self._thread.start()

    def publish_frame(self, *, episode: int = 0, timeout: float = 0.5) -> CameraFrame:
        """Read one frame and publish it.

        Raises:
            DeadlineError: If no frame came within `timeout` seconds.
            DeviceError: If the camera is gone.
        """
        frame = self._camera.read(timeout=timeout)
        description = self._camera.description
        message = image_to_message(frame, description)
        self._images.publish(message)
        if self._depths is not None and frame.depth is not None and self._depths.get_subscription_count():
            self._depths.publish(depth_to_message(frame, description))  # larger than the image: only for those who ask
        self._calibrations.publish(camera_info_to_message(description, message.header.stamp))
        information = ImageInfo(header=message.header, camera=self._camera_name, sequence=frame.sequence, episode=episode)
        information.exposure = math.nan if frame.exposure is None else frame.exposure
        self._informations.publish(information)
        self._diagnostics.tick("images")
        return frame

    def shut_down(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)
        if self._camera is not None and not self._hosted:
            self._camera.disconnect()

    def _open(self) -> Camera:
        parameters = read_parameters(self, CameraParameters)
        config = parameters.load()
        if parameters.camera not in config.cameras:
            raise ConfigurationError(
                f"{parameters.workcell}: there is no camera {parameters.camera!r}. {nearest(parameters.camera, config.cameras)}"
            )
        self._camera_name = parameters.camera
        return open_workcell(config, task=parameters.task).cameras[parameters.camera]

    def _capture_forever(self) -> None:
        while not self._stop.is_set():
            try:
                self.publish_frame(timeout=1.0)
                self._diagnostics.set_status(DiagnosticStatus.OK, "ok")
            except DeadlineError as error:
                self._diagnostics.set_status(DiagnosticStatus.WARN, str(error))
                self.get_logger().warning(str(error), throttle_duration_sec=1.0)
            except DeviceError as error:
                self.get_logger().error(str(error))
                self.exit_code = 1
                return


def main() -> int:
    """Run one camera as a process."""

    def make() -> CameraNode:
        node = CameraNode("camera")
        node.autostart()
        return node

    return run_node(make)


if __name__ == "__main__":
    raise SystemExit(main())
