"""Taking samples by hand: the operator moves the arm, the session says what it sees and keeps what is good.

Start at `run`. Nothing here moves the arm: it reads the driver and the camera, and writes to a `SampleFolder`. It knows no terminal; keys come
from a function and words go to one, so the same flow runs from a terminal, a page or a test.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from robot_drivers.arm import Arm, ArmMode, ArmState
from robot_drivers.calibration.board import BoardDetector, Detection
from robot_drivers.calibration.hand_eye import LEAST_VARIETY_DEG, variety
from robot_drivers.calibration.linear_start import board_in_camera
from robot_drivers.calibration.samples import Sample, SampleFolder, nearest_pose
from robot_drivers.calibration.stillness import Stillness
from robot_drivers.camera import Camera, CameraFrame
from robot_drivers.poses import make_pose
from stage_core.errors import ConfigurationError, DeadlineError

ENTER_HOLDS_S = 2.0  # a key pressed a moment too early still counts
IDLE_LIMIT_S = 600.0
FRAME_TIMEOUT_S = 1.0


class Key(StrEnum):
    """What an operator can ask for."""

    NONE = ""
    TAKE = "take"
    UNDO = "undo"
    FINISH = "finish"


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """One image with the arm's state, and what can be said of them.

    Attributes:
        frame: The image; None where none came.
        state: Of the arm; None where no image came.
        words: For the operator, one line.
        problem: Why this cannot become a sample; empty where it can.
    """

    frame: CameraFrame | None
    state: ArmState | None
    words: str
    problem: str


class CalibrationSession:
    """Looks through one camera and keeps samples.

    Args:
        arm: Connected, read only.
        camera: Connected.
        folder: Where samples go; what it holds already counts.
        steady: A clock that never jumps, s.
    """

    def __init__(self, arm: Arm, camera: Camera, folder: SampleFolder, *, steady: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self._arm, self._camera, self._steady = arm, camera, steady
        self._detector = BoardDetector(folder.description.board)
        self._stillness = Stillness()
        self._poses = {sample.name: sample.ee_pose for sample in folder}

    @property
    def taken(self) -> int:
        """Number of samples."""
        return len(self._poses)

    def look(self) -> Look:
        """Return what is seen now. Raises DeviceError where arm or camera is lost."""
        try:
            frame = self._camera.read(timeout=FRAME_TIMEOUT_S)
        except DeadlineError as error:
            self._stillness.clear()
            return Look(frame=None, state=None, words=str(error), problem="no image")
        state = self._arm.read_state()
        detection = self._detector.detect(frame.image)
        self._stillness.add(self._steady(), state.joint_positions, detection.ids, detection.pixels)
        problem = self._problem(state, detection)
        return Look(frame=frame, state=state, words=self._words(detection, problem), problem=problem)

    def take(self, look: Look) -> str:
        """Write a sample and return its name.

        Raises:
            ConfigurationError: If the look has a problem, or the folder cannot be written.
        """
        if look.problem or look.frame is None or look.state is None:
            raise ConfigurationError(f"no sample was taken: {look.problem}.")
        pose = make_pose(look.state.ee_position, look.state.ee_orientation)
        name = self.folder.next_name()
        self.folder.add(
            Sample(
                name=name,
                image=look.frame.image,
                ee_pose=pose,
                joint_positions=np.asarray(look.state.joint_positions),
                image_stamp=look.frame.stamp,
                arm_stamp=look.state.stamp,
            )
        )
        self._poses[name] = pose
        self._stillness.clear()
        return name

    def undo(self) -> str:
        """Set the newest sample aside and return its name; empty where there is none."""
        if not self._poses:
            return ""
        name = max(self._poses)
        self.folder.set_aside(name)
        del self._poses[name]
        return name

    def missing(self, wanted: int) -> str:
        """Return in words what is still missing for a good fit; empty where nothing is."""
        if self.taken < wanted:
            return f"{wanted - self.taken} more"
        spread, axes = variety(list(self._poses.values()))
        if spread[1] < LEAST_VARIETY_DEG:
            return f"more turns about the tool's {'xyz'[int(np.argmax(np.abs(axes[:, 1])))]}"
        return ""

    def _problem(self, state: ArmState, detection: Detection) -> str:
        if state.mode is ArmMode.FAULT:
            return f"the arm is in fault: {state.fault}"
        return (
            detection.problem
            or nearest_pose(make_pose(state.ee_position, state.ee_orientation), list(self._poses.values()))
            or self._stillness.what_moves()
        )

    def _words(self, detection: Detection, problem: str) -> str:
        seen = f"{detection.ids.size:2d} corners"
        if not detection.problem:
            description = self.folder.description
            model, board = description.camera_model, description.board
            pose = board_in_camera(board.corners[detection.ids], model.undistort(detection.pixels), model.intrinsics)
            seen += f", {(pose[:3, :3] @ board.center + pose[:3, 3])[2]:.2f} m away"
        return f"{self.taken} taken | {seen} | {problem or 'ready: press Enter'}"


def run(
    session: CalibrationSession,
    *,
    wanted: int,
    automatic: bool,
    read_key: Callable[[], Key],
    show: Callable[[str], None],
    tell: Callable[[str], None],
    idle_limit_s: float = IDLE_LIMIT_S,
    steady: Callable[[], float] = time.monotonic,
) -> None:
    """Take samples until the operator finishes, or, where automatic, until nothing is missing.

    Args:
        session: Where to look and what to keep.
        wanted: How many samples are enough.
        automatic: True takes a sample whenever arm and board stand still in a new pose.
        read_key: Returns the key pressed since the last call; does not wait.
        show: Takes what is seen now; the next line may replace it.
        tell: Takes what happened; stays.
        idle_limit_s: Longest time without a new sample, s.
        steady: A clock that never jumps, s.

    Raises:
        DeadlineError: If no sample was taken for `idle_limit_s`; those taken are in the folder.
        DeviceError: If arm or camera is lost.
    """
    taken_at, asked_until = steady(), -1.0
    while True:
        look = session.look()
        show(look.words)
        key = read_key()
        if key is Key.FINISH:
            return
        if key is Key.UNDO:
            name = session.undo()
            tell(f"sample {name} is set aside; {session.taken} are left" if name else "there is no sample to set aside")
        if key is Key.TAKE:
            asked_until = steady() + ENTER_HOLDS_S
        if not look.problem and (automatic or steady() < asked_until):
            name, asked_until, taken_at = session.take(look), -1.0, steady()
            missing = session.missing(wanted)
            tell(f"sample {name} taken; {missing or 'enough: finish with f and Enter, or take more'}")
            if automatic and not missing:
                return
        elif 0.0 <= asked_until <= steady():
            asked_until = -1.0
            tell(f"not taken: {look.problem}")
        if steady() - taken_at > idle_limit_s:
            raise DeadlineError(
                f"no sample was taken for {idle_limit_s:g} s, last because: {look.problem}. {session.taken} samples are in {session.folder.path};"
                " run the same command again to go on."
            )
