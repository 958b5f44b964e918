"""Calibration scenes whose answer is known: projected corners, drawn images, and an arm and a camera that show them to a session."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from robot_drivers.arm import Arm, ArmCommand, ArmDescription, ArmMode, ArmState
from robot_drivers.calibration.board import BoardDescription
from robot_drivers.calibration.board_print import board_image
from robot_drivers.calibration.camera_model import CameraModel
from robot_drivers.calibration.least_squares import View
from robot_drivers.calibration.transforms import exponential, invert, to_matrix, to_pose
from robot_drivers.camera import Camera, CameraDescription, CameraFrame
from robot_drivers.device_context import DeviceContext
from robot_drivers.fake_devices import FakeArm
from robot_drivers.kinematics import Kinematics

BOARD = BoardDescription(square_m=0.03, marker_m=0.022)
LENS = CameraModel(width=640, height=480, intrinsics=np.array([[560.0, 0, 322.0], [0, 562.0, 237.0], [0, 0, 1]]), distortion=np.zeros(5))
DRAWN_AT = 4  # images are drawn this many times larger, so that their edges are as smooth as a camera's


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """A camera, a board and n poses of the arm; all matrices (4, 4)."""

    mount: str
    camera: np.ndarray  # in ee (hand) or base (fixed)
    board: np.ndarray  # in base (hand) or ee (fixed)
    ee_poses: list[np.ndarray]

    def board_in_camera(self, i: int) -> np.ndarray:
        """Return where the camera has the board at pose i: plain frame arithmetic, not the code under test."""
        ee = self.ee_poses[i]
        if self.mount == "hand":
            return np.linalg.inv(ee @ self.camera) @ self.board
        return np.linalg.inv(self.camera) @ ee @ self.board

    def views(self, *, pixel_noise: float = 0.0, seed: int = 0, lens: CameraModel = LENS) -> list[View]:
        """Return what a perfect detector sees, with noise in pixels."""
        random = np.random.default_rng(seed)
        views = []
        for i, ee in enumerate(self.ee_poses):
            pose = self.board_in_camera(i)
            points = BOARD.corners @ pose[:3, :3].T + pose[:3, 3]
            pixels = points @ lens.intrinsics.T
            pixels = pixels[:, :2] / pixels[:, 2:] + random.normal(size=(len(points), 2)) * pixel_noise
            views.append(View(name=f"{i + 1:04d}", ee_pose=to_pose(ee), points=BOARD.corners, pixels=pixels))
        return views

    def with_arm_noise(self, *, position_m: float, angle_rad: float, seed: int) -> Scene:
        """Return the scene as an inexact arm tells it: the board stays where the true pose put it."""
        random = np.random.default_rng(seed)
        noise = [exponential(np.r_[random.normal(size=3) * position_m, random.normal(size=3) * angle_rad]) for _ in self.ee_poses]
        return replace(self, ee_poses=[ee @ error for ee, error in zip(self.ee_poses, noise, strict=True)])


def make_scene(mount: str, *, count: int = 15, seed: int = 0, tilt_rad: float = 0.4, roll_rad: float = 0.6, shift_m: float = 0.03) -> Scene:
    """Return a scene with the board in view of every pose; `tilt_rad` and `roll_rad` say how far the hand turns."""
    random = np.random.default_rng(seed)
    center = exponential(np.r_[-BOARD.center, np.zeros(3)])
    facing_down = exponential(np.array([0, 0, 0, np.pi, 0, 0]))
    if mount == "hand":
        camera = exponential(np.array([0.05, -0.03, -0.06, 0.1, -0.1, 1.6]))
        board = exponential(np.array([0.42, -0.05, 0.02, 0, 0, 0.3])) @ facing_down @ center
        distance = 0.38
    else:
        camera = exponential(np.array([1.2, 0.1, 0.5, 0, 0, 0])) @ exponential(np.array([0, 0, 0, -np.pi / 2, 0, 0]))
        camera = camera @ exponential(np.array([0, 0, 0, 0.1, -np.pi / 2, 0]))
        board = exponential(np.array([0.02, 0.01, 0.06, 0.2, 0.1, 0.4])) @ center
        distance = 0.6
    poses = []
    for _ in range(count):
        shift = np.array([*random.uniform(-shift_m, shift_m, 2), distance + random.uniform(-2, 2) * shift_m, 0, 0, 0])
        tilt = np.array([0, 0, 0, *random.uniform(-tilt_rad, tilt_rad, 2), 0])
        roll = np.array([0, 0, 0, 0, 0, random.uniform(-roll_rad, roll_rad)])
        seen = exponential(shift) @ exponential(tilt) @ exponential(roll) @ center
        poses.append(board @ invert(seen) @ invert(camera) if mount == "hand" else camera @ seen @ invert(board))
    return Scene(mount=mount, camera=camera, board=board, ee_poses=poses)


def draw(
    board: BoardDescription, board_in_camera: np.ndarray, *, lens: CameraModel = LENS, noise: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Return (H, W, 3) uint8: the board on a grey table, drawn by a homography, a way of its own."""
    pixels, margin = 60, 30
    picture = board_image(board, pixels_per_square=pixels, margin=margin)
    # from the picture's pixels (their middle at .0) to metres on the board, to the camera, to a larger image (middles at .0 too)
    metres = board.square_m / pixels
    to_board = np.array([[metres, 0, (0.5 - margin) * metres], [0, metres, (0.5 - margin) * metres], [0, 0, 1]])
    plane = np.c_[board_in_camera[:3, :2], board_in_camera[:3, 3]]
    larger = np.array([[DRAWN_AT, 0, (DRAWN_AT - 1) / 2], [0, DRAWN_AT, (DRAWN_AT - 1) / 2], [0, 0, 1]])
    size = (lens.width * DRAWN_AT, lens.height * DRAWN_AT)
    drawn = cv2.warpPerspective(picture, larger @ lens.intrinsics @ plane @ to_board, size, flags=cv2.INTER_LINEAR, borderValue=120)
    small = cv2.resize(drawn, (lens.width, lens.height), interpolation=cv2.INTER_AREA).astype(np.float64)
    small = 20.0 + 0.8 * small + np.random.default_rng(seed).normal(size=small.shape) * noise
    return np.repeat(np.clip(small, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


class HandGuidedArm(Arm):
    """An arm that somebody moves: it stands at one pose of a list after the other. It refuses to be commanded."""

    def __init__(self, joints: list[np.ndarray], *, tool_error_m: float = 0.0) -> None:
        self._joints = joints
        self._fake = FakeArm()
        self._kinematics = Kinematics.from_description(self._fake.description)
        self._tool_error = tool_error_m
        self.index = 0
        self.mode = ArmMode.IDLE

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], context: DeviceContext) -> HandGuidedArm:
        assert context.read_only, "calibration must open the arm read-only"
        STAGE.arm = cls(STAGE.joints, tool_error_m=float(settings.get("tool_error_m", 0.0)))
        return STAGE.arm

    @property
    def description(self) -> ArmDescription:
        return self._fake.description

    def connect(self) -> None:
        """Nothing to reach."""

    def read_state(self) -> ArmState:
        joints = self._joints[self.index]
        pose = self._kinematics.forward(joints)
        return ArmState(
            stamp=time.time(),
            joint_positions=joints,
            joint_velocities=np.zeros(7),
            ee_position=pose[:3] + [0.0, 0.0, self._tool_error],
            ee_orientation=pose[3:],
            mode=self.mode,
            fault="pushed" if self.mode is ArmMode.FAULT else "",
        )

    def command(self, command: ArmCommand) -> None:
        raise AssertionError("calibration commanded the arm")

    def stop(self) -> None:
        raise AssertionError("calibration stopped the arm")

    def recover(self) -> None:
        raise AssertionError("calibration recovered the arm")

    def disconnect(self) -> None:
        """Nothing to let go of."""


class StagedCamera(Camera):
    """Shows what a camera would see from where the arm stands, one frame after the other without waiting."""

    def __init__(self, picture: Callable[[], np.ndarray], lens: CameraModel = LENS, *, name: str = "wrist") -> None:
        self._picture, self._lens, self._name = picture, lens, name
        self.frames = 0

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], context: DeviceContext) -> StagedCamera:
        return cls(STAGE.picture, name=context.name)

    @property
    def description(self) -> CameraDescription:
        return CameraDescription(
            name=self._name,
            width=self._lens.width,
            height=self._lens.height,
            rate_hz=30.0,
            optical_frame=f"camera_{self._name}_optical_frame",
            intrinsics=self._lens.intrinsics,
            distortion=self._lens.distortion,
        )

    def connect(self) -> None:
        """Nothing to open."""

    def read(self, *, timeout: float = 0.5) -> CameraFrame:
        self.frames += 1
        return CameraFrame(stamp=time.time(), sequence=self.frames, image=self._picture())

    def disconnect(self) -> None:
        """Nothing to close."""


class Stage:
    """What the devices of a workcell file show, for they are built by name: set it up with `prepare`."""

    def prepare(self, scene: Scene, joints: list[np.ndarray], samples: Path) -> None:
        """Show `scene` pose by pose: as an operator does, the arm goes on when there is one more sample in the folder `samples`."""
        self.joints, self._samples = joints, samples
        self._images = [draw(BOARD, scene.board_in_camera(i)) for i in range(len(joints))]
        self.arm: HandGuidedArm | None = None

    def picture(self) -> np.ndarray:
        """Return the image from the present pose."""
        assert self.arm is not None
        taken = len(list(self._samples.glob("[0-9][0-9][0-9][0-9].json")))
        self.arm.index = min(taken, len(self.joints) - 1)
        return self._images[self.arm.index]


STAGE = Stage()


def reachable_scene(*, count: int = 15, seed: int = 0) -> tuple[Scene, list[np.ndarray]]:
    """Return a scene with the camera on the hand that the fake arm reaches, and its joints (7,) at every pose."""
    description = FakeArm().description
    kinematics = Kinematics.from_description(description)
    random = np.random.default_rng(seed)
    start = np.array(FakeArm()._motion.start)
    down = to_matrix(kinematics.forward(start))
    camera = exponential(np.array([0.05, -0.02, -0.08, 0.05, -0.1, 0.2]))
    middle = down @ camera @ exponential(np.array([0, 0, 0.36, 0, 0, 0]))
    board = middle @ exponential(np.r_[-BOARD.center, np.zeros(3)])
    joints: list[np.ndarray] = []
    poses: list[np.ndarray] = []
    center = exponential(np.r_[-BOARD.center, np.zeros(3)])
    while len(joints) < count:
        turn = np.array([0, 0, 0, *random.uniform(-0.5, 0.5, 3)])
        seen = exponential(np.array([0, 0, random.uniform(0.33, 0.4), 0, 0, 0])) @ exponential(turn) @ center
        tried = kinematics.inverse(to_pose(board @ invert(seen) @ invert(camera)), start)
        if tried is None or (tried < description.joint_lower).any() or (tried > description.joint_upper).any():
            continue
        ee = to_matrix(kinematics.forward(tried))
        points = BOARD.corners @ (invert(ee @ camera) @ board)[:3, :3].T + (invert(ee @ camera) @ board)[:3, 3]
        pixels = points @ LENS.intrinsics.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        if (pixels > 20).all() and (pixels < [LENS.width - 20, LENS.height - 20]).all():
            joints.append(tried)
            poses.append(ee)
    return Scene(mount="hand", camera=camera, board=board, ee_poses=poses), joints
