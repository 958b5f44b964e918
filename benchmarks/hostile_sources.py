"""Commands that a broken, confused or malicious source sends, and lawful ones, in every action space. Start at `Source`.

`admission` commands are wrong in form, age or right and must be refused without a trace, so they go between lawful ones;
`campaign` commands are well-formed targets that lead out of some limit, step by step.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.controller_rig import Rig
from robot_drivers.arm import ActionSpace, ArmCommand, ArmState
from robot_drivers.kinematics import damped_pseudo_inverse_step
from robot_drivers.poses import twist_between
from stage_core.errors import DeviceError
from stage_core.geometry import quaternion_conjugate, rotate

SPACES = tuple(space for space in ActionSpace if space is not ActionSpace.HOLD)
VALID_S = 0.1
RECOVERIES = 20  # tries, one every 0.1 s
LAWFUL_SPEED, LAWFUL_TURN = 0.10, 0.25  # m/s and rad/s: inside every limit of a real arm at reduced speed
LAWFUL_REACH = 0.06  # m around home
DOWN = np.array([0.0, 0.0, -1.0])


class Source:
    """Makes commands for one arm; knows the last target, as an honest source does."""

    def __init__(self, rig: Rig, seed: int) -> None:
        """Begin where the arm is; `seed` makes the commands repeatable."""
        self.rig, self.random = rig, np.random.default_rng(seed)
        self.period = 1.0 / rig.config.control_rate_hz
        self.token = self.sequence = self.sequence_of_lawful = 0
        self.home_pose = rig.kinematics.forward(rig.home)
        self.stamp_of_lawful = 0.0
        self.faults: Counter[str] = Counter()
        self._deck: list[str] = []
        self.first = True
        self.twist = np.zeros(6)
        self.joints = rig.home.copy()

    def begin(self) -> None:
        """Take the arm, as an operator allows, from where it is; a fault is noted and recovered from."""
        self.state()
        self.token = self.rig.safe_arm.switch_source("policy", "benchmark")
        self.rig.safe_arm.resume()
        self.joints = self.state().joint_positions.copy()
        self.twist = np.zeros(6)
        self.first = True

    def state(self) -> ArmState:
        """Return the arm's state; a fault or a lost link (a machine that stood still for a moment) is noted and recovered from."""
        for _ in range(RECOVERIES):
            with contextlib.suppress(DeviceError):
                state = self.rig.safe_arm.read_state()
                if not state.fault:
                    return state
                self.faults[state.fault] += 1
                self.rig.safe_arm.recover()
            time.sleep(0.1)
        return self.rig.safe_arm.read_state()

    def command(self, space: ActionSpace, values: np.ndarray, **changes: Any) -> ArmCommand:
        """Return a command in good form, but for `changes`."""
        self.sequence += 1
        entries = {"stamp": time.time(), "valid_for": VALID_S, "source": "policy", "token": self.token, "sequence": self.sequence}
        return ArmCommand(action_space=space, values=np.asarray(values, dtype=np.float64), **{**entries, **changes})

    def express(self, space: ActionSpace, step: np.ndarray, *, tool: bool = False) -> tuple[np.ndarray, dict[str, str]]:
        """Return values and further fields that ask for the joint step (n,) rad from the last target, in the words of a space."""
        target = self.joints + step
        if space is ActionSpace.JOINT_POSITION:
            return target, {}
        if space is ActionSpace.JOINT_DELTA:
            return step, {}
        if space is ActionSpace.JOINT_VELOCITY:
            return step / self.period, {}
        pose = self.rig.kinematics.forward(target)
        if space is ActionSpace.EE_POSE:
            return pose, {}
        here = self.rig.kinematics.forward(self.joints)
        twist = twist_between(here, pose)
        if not tool:
            return twist, {}
        back = quaternion_conjugate(here[3:].tolist())
        return np.array([*rotate(back, twist[:3].tolist()), *rotate(back, twist[3:].tolist())]), {"frame": "tool"}

    # ---- lawful

    def lawful(self, due: float) -> tuple[ArmCommand, np.ndarray]:
        """Return the next command of a smooth way around home, in a random space, and the pose (7,) it asks for.

        Args:
            due: From when it holds, s: its place in the source's own rhythm, as a policy stamps the actions of a chunk.
        """
        here = self.rig.kinematics.forward(self.joints)
        home = twist_between(here, self.home_pose)
        wish = self.random.normal(size=6) * np.array([0.12] * 3 + [0.3] * 3)
        if np.linalg.norm(home[:3]) > 0.5 * LAWFUL_REACH or np.linalg.norm(home[3:]) > 0.1:
            wish += 3.0 * home
        self.twist += 0.08 * (wish - self.twist)  # s: a filter keeps the accelerations small
        for part, largest in ((slice(0, 3), LAWFUL_SPEED), (slice(3, 6), LAWFUL_TURN)):
            self.twist[part] *= min(1.0, largest / max(1e-9, float(np.linalg.norm(self.twist[part]))))
        step = self._joint_step(self.twist * self.period)
        # The first delta would be added to the measured joints, which nobody knows to 1e-6.
        space = ActionSpace.JOINT_POSITION if self.first else SPACES[self.random.integers(len(SPACES))]
        self.first = False
        values, more = self.express(space, step, tool=bool(self.random.integers(2)))
        pose = self.rig.kinematics.forward(self.joints + step)
        self.follow(space, step, pose)
        self.stamp_of_lawful = max(due, self.stamp_of_lawful)
        command = self.command(space, values, stamp=self.stamp_of_lawful, **more)
        self.sequence_of_lawful = command.sequence
        return command, pose

    def follow(self, space: ActionSpace, step: np.ndarray, pose: np.ndarray) -> None:
        """Take the target as given: joints as asked, or those that reach the pose."""
        if space in (ActionSpace.EE_POSE, ActionSpace.EE_DELTA_POSE):
            joints = self.rig.kinematics.inverse(pose, self.joints)
            self.joints = self.joints + step if joints is None else joints
        else:
            self.joints = self.joints + step

    def step_home(self) -> tuple[np.ndarray | None, ActionSpace]:
        """Return the next step towards home and its space: the tool on a straight way, then the joints; None once it is there."""
        way = twist_between(self.rig.kinematics.forward(self.joints), self.home_pose)
        far, turned = float(np.linalg.norm(way[:3])), float(np.linalg.norm(way[3:]))
        if far > 0.005 or turned > 0.02:
            share = min(1.0, LAWFUL_SPEED * self.period / max(far, 1e-9), LAWFUL_TURN * self.period / max(turned, 1e-9))
            return self._joint_step(share * way), ActionSpace.EE_POSE
        distance = self.rig.home - self.joints
        if np.abs(distance).max() < 0.01:
            return None, ActionSpace.JOINT_POSITION
        return np.clip(distance, -0.2 * self.period, 0.2 * self.period), ActionSpace.JOINT_POSITION

    def catch_up(self) -> None:
        """Learn the last target from SafeArm, after it was perhaps limited."""
        joints = self.rig.kinematics.inverse(self.rig.safe_arm.commanded_pose(), self.joints)
        self.joints = self.state().joint_positions.copy() if joints is None else joints

    # ---- hostile in form, age or right

    def admission(self, *, following: bool) -> tuple[str, ArmCommand]:
        """Return the name of what is wrong, and the command; `following` a lawful one that was taken."""
        space = SPACES[self.random.integers(len(SPACES))]
        step = self.random.normal(size=len(self.joints)) * 0.02
        values, more = self.express(space, step)
        kinds = {
            "nan": lambda: self.command(space, self._spoilt(values, np.nan), **more),
            "infinity": lambda: self.command(space, self._spoilt(values, self.random.choice([np.inf, -np.inf])), **more),
            "wrong length": lambda: self.command(space, np.resize(values, self._other_length(len(values)))),
            "wrong quaternion": lambda: self.command(ActionSpace.EE_POSE, self._wrong_quaternion()),
            "stale": lambda: self.command(space, values, stamp=time.time() - self.random.uniform(VALID_S, 100.0), **more),
            "future": lambda: self.command(space, values, stamp=time.time() + self.random.uniform(0.06, 100.0), **more),
            "stamp is no number": lambda: self.command(space, values, stamp=np.nan, **more),
            "older than the last": lambda: self.command(
                space, values, stamp=self.stamp_of_lawful - self.random.uniform(0.001, 0.02), **more
            ),
            "wrong token": lambda: self.command(space, values, token=int(self.random.integers(1, 2**62)), **more),
            "no token": lambda: self.command(space, values, token=0, **more),
            "another source": lambda: self.command(space, values, source=str(self.random.choice(["teleop", "replay", "none", ""])), **more),
            "valid for ever": lambda: self.command(
                space, values, valid_for=float(self.random.choice([1e9, np.inf, np.nan, 0.0, -1.0])), **more
            ),
            "gripper is no number": lambda: self.command(space, values, gripper=float(self.random.choice([np.nan, np.inf])), **more),
        }
        if not following:
            del kinds["older than the last"]  # then it would be the first
        name = list(kinds)[self.random.integers(len(kinds))]
        return name, kinds[name]()

    def _spoilt(self, values: np.ndarray, number: float) -> np.ndarray:
        spoilt = values.copy()
        spoilt[self.random.integers(len(values))] = number
        return spoilt

    def _other_length(self, right: int) -> int:
        length = int(self.random.integers(0, 15))
        return length if length != right else right + 1

    def _wrong_quaternion(self) -> np.ndarray:
        pose = self.rig.kinematics.forward(self.joints)
        pose[3:] *= self.random.choice([0.0, 0.5, 1.01, 57.3])
        return pose

    # ---- hostile targets in good form

    def campaign(self) -> tuple[str, Callable[[], ArmCommand]]:
        """Return the name of a way that leads out of a limit, and what makes its next command."""
        aim = self.random.normal(size=3)
        wrist = len(self.joints) - 1  # the only joint that reaches its limit without leading the tool out of the workspace first
        sign = float(self.random.choice([-1.0, 1.0]))
        limits = self.rig.limits
        fast = 0.9 * limits.jump_distance_m
        ways: dict[str, Callable[[], ArmCommand]] = {
            "too fast": lambda: self._tool_step(aim, self.random.uniform(1.2, 4.0) * limits.ee_speed_m_s * self.period),
            "into the table": lambda: self._tool_step(DOWN, self.random.uniform(0.3, 1.0) * fast),
            "into the base": lambda: self._tool_step(-self.rig.kinematics.forward(self.joints)[:3], self.random.uniform(0.3, 1.0) * fast),
            "out of the workspace": lambda: self._tool_step(aim, self.random.uniform(0.3, 1.0) * fast),
            "past a joint limit": lambda: self._joint_way(wrist, sign * self.random.uniform(0.05, 0.9) * limits.jump_joint_rad),
            "turned too fast": lambda: self._turn(aim, self.random.uniform(0.3, 0.9) * limits.jump_angle_rad),
            "back and forth": lambda: self._random_joints(self.random.uniform(0.1, 0.9) * limits.jump_joint_rad),
            "jump": lambda: self._random_joints(limits.jump_joint_rad * 10.0 ** self.random.uniform(0.1, 3.0)),
            "degrees": lambda: self._other_unit(ActionSpace.JOINT_POSITION, 57.29578),
            "millimetres": lambda: self._other_unit(ActionSpace.EE_POSE, 1000.0),
            "wxyz": self._wxyz,
            "unknown frame or reference": lambda: self.command(
                ActionSpace.EE_DELTA_POSE, np.full(6, 0.01), **{str(self.random.choice(["frame", "reference"])): "world"}
            ),
        }
        if not self._deck:  # every way once before any comes again
            self._deck = list(self.random.permutation(list(ways)))
        name = str(self._deck.pop())
        return name, ways[name]

    def _joint_step(self, twist: np.ndarray) -> np.ndarray:
        return damped_pseudo_inverse_step(self.rig.kinematics.jacobian(self.joints), twist)

    def _in_any_space(self, step: np.ndarray) -> ArmCommand:
        space = SPACES[self.random.integers(len(SPACES))]
        values, more = self.express(space, step, tool=bool(self.random.integers(2)))
        return self.command(space, values, **more)

    def _tool_step(self, aim: np.ndarray, length: float) -> ArmCommand:
        return self._in_any_space(self._joint_step(np.array([*(aim / np.linalg.norm(aim) * length), 0.0, 0.0, 0.0])))

    def _turn(self, aim: np.ndarray, angle: float) -> ArmCommand:
        return self._in_any_space(self._joint_step(np.array([0.0, 0.0, 0.0, *(aim / np.linalg.norm(aim) * angle)])))

    def _joint_way(self, joint: int, length: float) -> ArmCommand:
        step = np.zeros_like(self.joints)
        step[joint] = length
        return self._in_any_space(step)

    def _random_joints(self, length: float) -> ArmCommand:
        return self._in_any_space(self.random.normal(size=len(self.joints)) * length)

    def _other_unit(self, space: ActionSpace, factor: float) -> ArmCommand:
        values, _ = self.express(space, np.zeros_like(self.joints))
        values = values.copy()
        values[: 3 if space is ActionSpace.EE_POSE else len(values)] *= factor
        return self.command(space, values)

    def _wxyz(self) -> ArmCommand:
        pose = self.rig.kinematics.forward(self.joints)
        return self.command(ActionSpace.EE_POSE, np.array([*pose[:3], *np.roll(pose[3:], 1)]))
