"""A manual clock, limits and an arm that remembers what reached it, for the tests of the drivers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from robot_drivers.arm import ActionSpace, ArmCommand
from robot_drivers.fake_devices import FakeArm, FakeGripper
from robot_drivers.safety import CollisionSphere, KeepOutPlane, SafeArm, SafetyLimits

PERIOD = 0.05


class ManualClock:
    """Time passes when `advance` is called."""

    def __init__(self, now: float = 100.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


def make_limits(**changes) -> SafetyLimits:
    values = {
        "workspace_lower_m": (0.2, -0.3, 0.05),
        "workspace_upper_m": (0.55, 0.3, 0.5),
        "ee_speed_m_s": 0.5,
        "ee_angular_speed_rad_s": 2.0,
        "joint_margin_rad": 0.02,
        "joint_velocity_share": 0.8,
        "joint_acceleration_rad_s2": 30.0,
        "jump_distance_m": 0.08,
        "jump_angle_rad": 0.4,
        "jump_joint_rad": 0.4,
        "first_target_distance_m": 0.02,
        "first_target_angle_rad": 0.1,
        "stop_time_s": 0.3,
        "longest_valid_for_s": 0.2,
        "clock_jump_s": 0.05,
        "gripper_hysteresis": 0.05,
        "collision_spheres": (
            CollisionSphere(link="fake_link4", center_m=(0.0, 0.0, 0.0), radius_m=0.09),
            CollisionSphere(link="fake_hand", center_m=(0.0, 0.0, 0.02), radius_m=0.06),
            CollisionSphere(link="fake_tool", center_m=(0.0, 0.0, 0.0), radius_m=0.015),
        ),
        "keep_out_planes": (KeepOutPlane(name="table", normal=(0.0, 0.0, 1.0), offset_m=0.0),),
        "keep_out_boxes": (),
    }
    return SafetyLimits(**{**values, **changes})


class RecordingArm(FakeArm):
    """Follows at once, remembers every command that reached it, and can take poses by itself."""

    def __init__(
        self, clock: ManualClock, *, spaces=(ActionSpace.JOINT_POSITION,), interpolates: bool = False, time_constant_s: float = 0.0
    ) -> None:
        super().__init__(clock=clock.now, steady=clock.now, time_constant_s=time_constant_s)
        self._description = replace(self._description, native_spaces=tuple(spaces), interpolates=interpolates)
        self.reached: list[ArmCommand] = []
        self.stops = 0

    def command(self, command: ArmCommand) -> None:
        self.reached.append(command)
        if command.action_space is ActionSpace.EE_POSE:
            joints = self._kinematics.inverse(command.values, self.read_state().joint_positions)
            assert joints is not None
            command = replace(command, action_space=ActionSpace.JOINT_POSITION, values=joints)
        super().command(command)

    def stop(self) -> None:
        self.stops += 1
        super().stop()


class RecordingGripper(FakeGripper):
    """Remembers every command that reached it."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock=clock.now, steady=clock.now)
        self.reached: list[float] = []

    def command(self, opening: float) -> None:
        self.reached.append(opening)
        super().command(opening)


class Rig:
    """A SafeArm on a manual clock, with a source switched on."""

    def __init__(
        self,
        *,
        step_driven: bool = True,
        spaces=(ActionSpace.JOINT_POSITION,),
        interpolates: bool = False,
        auto_resume_s: float = 1e6,
        source: str = "policy",
        time_constant_s: float = 0.0,
        **limits,
    ) -> None:
        self.clock = ManualClock()
        self.steady = ManualClock(5000.0)
        self.arm = RecordingArm(self.clock, spaces=spaces, interpolates=interpolates, time_constant_s=time_constant_s)
        self.gripper = RecordingGripper(self.clock)
        self.safe_arm = SafeArm(
            self.arm,
            self.gripper,
            make_limits(**limits),
            control_period_s=PERIOD,
            auto_resume_s=auto_resume_s,
            clock=self.clock.now,
            step_driven=step_driven,
            gripper_thread=False,
            steady=self.steady.now,
        )
        self.safe_arm.connect()
        self.token = self.safe_arm.switch_source(source, "the test") if source else 0
        self.sequence = 0

    def command(self, space: ActionSpace, values, **changes) -> ArmCommand:
        entries = {"stamp": self.clock.now(), "valid_for": 0.09, "source": "policy", "token": self.token, "sequence": self.sequence}
        return ArmCommand(action_space=space, values=np.asarray(values, dtype=np.float64), **{**entries, **changes})

    def submit(self, space: ActionSpace, values, **changes):
        self.sequence += 1
        return self.safe_arm.submit(self.command(space, values, **changes))

    def delta(self, x=0.0, y=0.0, z=0.0, turn=0.0, **changes):
        return self.submit(ActionSpace.EE_DELTA_POSE, [x, y, z, 0.0, 0.0, turn], **changes)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.steady.advance(seconds)

    def step(self, count: int = 1) -> None:
        """What a simulation does once per control period."""
        for _ in range(count):
            self.safe_arm.tick()
            self.pass_time(PERIOD)

    def run(self, seconds: float) -> None:
        """What the loop of a real robot does, at its rate."""
        period = 1.0 / self.arm.description.control_rate_hz
        for _ in range(round(seconds / period)):
            self.safe_arm.tick()
            self.pass_time(period)

    @property
    def position(self) -> np.ndarray:
        return self.arm.read_state().ee_position
