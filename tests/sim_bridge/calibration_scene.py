"""A ChArUco board in a ManiSkill scene, the Panda moved round it, and the camera's true pose as SAPIEN has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_drivers.arm import ActionSpace, ArmCommand
from robot_drivers.calibration.board import BoardDescription
from robot_drivers.calibration.board_print import board_image
from robot_drivers.calibration.transforms import exponential, invert, to_matrix, to_pose
from robot_drivers.poses import make_pose
from sim_bridge.maniskill_workcell import ManiSkillWorkcell

BOARD = BoardDescription(square_m=0.03, marker_m=0.022)
HELD_BOARD = BoardDescription(square_m=0.02, marker_m=0.015)  # small enough for the hand
HAND_BEHIND_BOARD_M = 0.06  # so near that the palm hides a few corners now and then
SETTLE_STEPS = 30
CAMERAS = {
    # turned about all axes, so that no wrong sign and no wrong order of rotations can hide
    "wrist": {
        "mount_link": "panda_hand",
        "position_m": [0.07, -0.02, 0.02],
        "orientation_xyzw": [0.08, -0.05, 0.7, 0.7078],
        "width_px": 640,
        "height_px": 480,
        "field_of_view_rad": 0.9,
    },
    "side": {"position_m": [1.2, 0.15, 0.55], "look_at_m": [0.5, 0.0, 0.4], "width_px": 640, "height_px": 480, "field_of_view_rad": 0.55},
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Capture:
    """Images of one board, with what the arm told, and the truth."""

    board: BoardDescription
    mount: str
    images: list[np.ndarray]
    ee_poses: list[np.ndarray]
    joints: list[np.ndarray]
    intrinsics: np.ndarray
    camera_pose: np.ndarray  # (7,) in ee (hand) or base (fixed), from SAPIEN


def add_board(workcell: ManiSkillWorkcell, board: BoardDescription) -> Any:
    """Put the board into the scene, as a sheet with a picture on both sides, and return the entity; it touches nothing."""
    import sapien
    from sapien.render import RenderBodyComponent, RenderMaterial, RenderShapeTriangleMesh, RenderTexture2D

    pixels, margin = 64, 32
    grey = board_image(board, pixels_per_square=pixels, margin=margin)
    texture = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    material = RenderMaterial(base_color=[1.0, 1.0, 1.0, 1.0], roughness=1.0, specular=0.0)
    material.base_color_texture = RenderTexture2D(np.ascontiguousarray(texture), "R8G8B8A8Unorm", mipmap_levels=4)
    edge = board.square_m * margin / pixels
    low = np.array([-edge, -edge])
    high = np.array([board.columns, board.rows]) * board.square_m + edge
    vertices = np.array([[low[0], low[1], 0], [high[0], low[1], 0], [high[0], high[1], 0], [low[0], high[1], 0]], dtype=np.float32)
    places = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)  # the board's y goes down in its picture
    triangles = np.array([[0, 2, 1], [0, 3, 2]], dtype=np.uint32)
    normals = np.tile(np.array([0, 0, -1], dtype=np.float32), (4, 1))  # z of the board points away from who looks at it
    body = RenderBodyComponent()
    body.attach(RenderShapeTriangleMesh(vertices, triangles, normals, places, material))
    entity = sapien.Entity()
    entity.add_component(body)
    workcell.simulation.environment.scene.sub_scenes[0].add_entity(entity)
    return entity


def capture(workcell: ManiSkillWorkcell, mount: str, *, count: int, seed: int) -> Capture:
    """Move the arm to `count` poses that see the board and take an image at each."""
    random = np.random.default_rng(seed)
    name = "wrist" if mount == "hand" else "side"
    board = BOARD if mount == "hand" else HELD_BOARD
    simulation = workcell.simulation
    entity = add_board(workcell, board)
    start = _ee(workcell)
    # true pose of the camera, as SAPIEN tells it, in ee or in base
    camera = invert(start) @ _camera_in_base(workcell, name) if mount == "hand" else _camera_in_base(workcell, name)
    center = np.eye(4)
    center[:3, 3] = -board.center
    if mount == "hand":
        board_pose = exponential(np.array([0.5, 0.02, 0.06, 0, 0, 0.2])) @ exponential(np.array([0, 0, 0, np.pi, 0, 0]))
    else:
        facing = camera @ exponential(np.array([0, 0, 0.62, 0, 0, 0]))
        hand = start.copy()
        hand[:3, 3] = facing[:3, 3] + HAND_BEHIND_BOARD_M * facing[:3, 2]
        board_pose = invert(hand) @ facing
    board_pose = board_pose @ center
    images, poses, joints = [], [], []
    home = workcell.arm.read_state().joint_positions
    while len(images) < count:
        distance = random.uniform(0.34, 0.46) if mount == "hand" else random.uniform(0.56, 0.68)
        tilt = random.uniform(-0.45, 0.45, size=2)
        seen = (
            exponential(np.array([*random.uniform(-0.02, 0.02, 2), distance, 0, 0, 0]))
            @ exponential(np.array([0, 0, 0, *tilt, 0]))
            @ exponential(np.array([0, 0, 0, 0, 0, random.uniform(-0.6, 0.6)]))
            @ center
        )
        goal = board_pose @ invert(seen) @ invert(camera) if mount == "hand" else camera @ seen @ invert(board_pose)
        if not _move(workcell, to_pose(goal), home):
            continue
        world = simulation._robot.pose.sp
        place = to_pose(board_pose if mount == "hand" else _ee(workcell) @ board_pose)
        entity.pose = world * _sapien_pose(place)
        simulation._rendered_frame = -1
        images.append(simulation.render(name))
        state = workcell.arm.read_state()
        poses.append(make_pose(state.ee_position, state.ee_orientation))
        joints.append(state.joint_positions)
    simulation.environment.scene.sub_scenes[0].remove_entity(entity)
    # ManiSkill counts from the corner of the first pixel, OpenCV and CameraInfo from its middle.
    intrinsics = simulation.intrinsics(name)
    intrinsics[:2, 2] -= 0.5
    return Capture(
        board=board, mount=mount, images=images, ee_poses=poses, joints=joints, intrinsics=intrinsics, camera_pose=to_pose(camera)
    )


def _move(workcell: ManiSkillWorkcell, pose: np.ndarray, home: np.ndarray) -> bool:
    """Drive the arm to a pose through its driver; False where it cannot be reached."""
    simulation = workcell.simulation
    joints = simulation.solve_joints(pose[:3], pose[3:])
    limits = workcell.arm.description
    if joints is None or (joints < limits.joint_lower).any() or (joints > limits.joint_upper).any():
        return False
    command = ArmCommand(stamp=simulation.stamp, action_space=ActionSpace.JOINT_POSITION, values=joints, valid_for=1.0)
    workcell.arm.command(command)
    for _ in range(SETTLE_STEPS):
        simulation.advance()
    return float(np.abs(workcell.arm.read_state().joint_velocities).max()) < 0.02


def _ee(workcell: ManiSkillWorkcell) -> np.ndarray:
    return to_matrix(make_pose(*workcell.simulation.ee_pose()))


def _camera_in_base(workcell: ManiSkillWorkcell, name: str) -> np.ndarray:
    """Return (4, 4) of the optical frame from SAPIEN's own extrinsic matrix."""
    simulation = workcell.simulation
    simulation.environment.scene.update_render(update_sensors=True, update_human_render_cameras=False)
    matrix = np.eye(4)
    matrix[:3] = simulation._sensors[name].camera.get_extrinsic_matrix()[0].numpy()[:3]
    base = simulation._robot.pose.sp.inv().to_transformation_matrix().astype(np.float64)
    return base @ invert(matrix)


def _sapien_pose(pose: np.ndarray) -> Any:
    import sapien

    return sapien.Pose(pose[:3].astype(np.float32), pose[[6, 3, 4, 5]].astype(np.float32))
