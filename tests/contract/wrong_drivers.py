"""Drivers with one mistake each, as they are made in the laboratory; the contract must name every one."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np

from robot_drivers.arm import ActionSpace
from robot_drivers.fake_camera import FakeCamera
from robot_drivers.fake_devices import FakeArm, FakeGripper
from stage_core.errors import DeviceError


class ManualClock:
    """Time passes when somebody waits."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += seconds


class _Wrong(FakeArm):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock=clock.now, steady=clock.now)
        self.clock = clock


class _WrongState(_Wrong):
    def read_state(self):
        return self.spoil(super().read_state())


class Degrees(_WrongState):
    def spoil(self, state):
        return replace(state, joint_positions=np.degrees(state.joint_positions), joint_velocities=np.degrees(state.joint_velocities))


class Millimetres(_WrongState):
    def spoil(self, state):
        return replace(state, ee_position=1000.0 * state.ee_position)


class Wxyz(_WrongState):
    def spoil(self, state):
        return replace(state, ee_orientation=np.roll(state.ee_orientation, 1))


class Unnormalised(_WrongState):
    def spoil(self, state):
        return replace(state, ee_orientation=2.0 * state.ee_orientation)


class FlangeInsteadOfTool(_WrongState):
    def spoil(self, state):
        return replace(state, ee_position=state.ee_position + np.array([0.0, 0.0, 0.10]))


class WorldFrame(_WrongState):
    def spoil(self, state):
        return replace(state, ee_position=state.ee_position + np.array([-0.615, 0.0, 0.0]))


class VelocitySign(_WrongState):
    def spoil(self, state):
        return replace(state, joint_velocities=-state.joint_velocities)


class Stale(_Wrong):
    def connect(self) -> None:
        super().connect()
        self.kept = super().read_state()

    def read_state(self):
        return self.kept


class Milliseconds(_WrongState):
    def spoil(self, state):
        return replace(state, stamp=1000.0 * state.stamp)


class OneSharedArray(_Wrong):
    def connect(self) -> None:
        super().connect()
        self.array = np.zeros(7)

    def read_state(self):
        state = super().read_state()
        self.array[:] = state.joint_positions
        return replace(state, joint_positions=self.array)


class SlowRead(_WrongState):
    def spoil(self, state):
        time.sleep(0.012)  # the controller is asked over the network each time; its loop has 10 ms
        return state


class LateStop(_Wrong):
    stop_asked = float("inf")

    def stop(self) -> None:
        self.stop_asked = min(self.stop_asked, self.clock.now())

    def read_state(self):
        if self.clock.now() - self.stop_asked > 0.3:
            self.stop_asked = float("inf")
            super().stop()
        return super().read_state()


class NoStop(_Wrong):
    def stop(self) -> None:
        pass


class BlockingCommand(_Wrong):
    def command(self, command) -> None:
        time.sleep(0.04)
        super().command(command)


class StopBehindALock(_Wrong):
    def __init__(self, clock) -> None:
        super().__init__(clock)
        self.lock = threading.Lock()
        self.slow = False

    def command(self, command) -> None:
        with self.lock:
            time.sleep(0.2 if threading.current_thread() is not threading.main_thread() else 0.0)
            super().command(command)

    def stop(self) -> None:
        with self.lock:
            super().stop()


class TakesDeltas(_Wrong):
    def command(self, command) -> None:
        if command.action_space is ActionSpace.JOINT_DELTA:
            joints = self.read_state().joint_positions
            command = replace(command, action_space=ActionSpace.JOINT_POSITION, values=joints + command.values)
        super().command(command)


class DegreesCommanded(_Wrong):
    def command(self, command) -> None:
        super().command(replace(command, values=np.radians(command.values)))


class MovesAtConnect(_Wrong):
    def connect(self) -> None:
        super().connect()
        self._motion = replace(self._motion, target=self._motion.target + 0.1)


class MovesAtRecover(_Wrong):
    def recover(self) -> None:
        super().recover()
        self._motion = replace(self._motion, target=self._motion.target + 0.05)


class SilentAfterDisconnect(_Wrong):
    def disconnect(self) -> None:
        self.stop()


class SecondStopFails(_Wrong):
    stopped = False

    def stop(self) -> None:
        if self.stopped:
            raise RuntimeError("motion preempted")
        self.stopped = True
        super().stop()


class WrongLimits(_Wrong):
    def __init__(self, clock) -> None:
        super().__init__(clock)
        self._description = replace(self._description, joint_lower=self._description.joint_lower - 0.5)


class LimitsInDegrees(_Wrong):
    def __init__(self, clock) -> None:
        super().__init__(clock)
        described = self._description
        self._description = replace(described, joint_lower=np.degrees(described.joint_lower), joint_upper=np.degrees(described.joint_upper))


class _WrongGripper(FakeGripper):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock=clock.now, steady=clock.now)


class OpeningInverted(_WrongGripper):
    def read(self):
        state = super().read()
        return replace(state, opening=1.0 - state.opening)


class CommandInverted(_WrongGripper):
    def command(self, opening: float) -> None:
        super().command(1.0 - opening)


class OpensOnStop(_WrongGripper):
    def stop(self) -> None:
        super().command(1.0)


class BlockingGripper(_WrongGripper):
    def command(self, opening: float) -> None:
        time.sleep(0.12)
        super().command(opening)


class BlocksUntilItIsThere(_WrongGripper):
    """Quick where there is no way to go, as a check that sends the present opening would find."""

    def command(self, opening: float) -> None:
        time.sleep(0.2 * abs(opening - self.read().opening))
        super().command(opening)


class GripperInMillimetres(_WrongGripper):
    def read(self):
        state = super().read()
        return replace(state, width=1000.0 * state.width)


class OpeningInPercent(_WrongGripper):
    def read(self):
        state = super().read()
        return replace(state, opening=100.0 * state.opening)


class PercentCommanded(_WrongGripper):
    def command(self, opening: float) -> None:
        super().command(opening / 100.0)


class OpensOnDisconnect(_WrongGripper):
    def disconnect(self) -> None:
        if self._connected:
            super().command(1.0)
        super().disconnect()


class GoesOnOpening(_WrongGripper):
    def stop(self) -> None:
        pass


class StaleGripper(_WrongGripper):
    def connect(self) -> None:
        super().connect()
        self.kept = super().read()

    def read(self):
        return self.kept


class GripperStampsInMilliseconds(_WrongGripper):
    def read(self):
        state = super().read()
        return replace(state, stamp=1000.0 * state.stamp)


class MovesTheFingersAtConnect(_WrongGripper):
    def connect(self) -> None:
        super().connect()
        super().command(0.0)


class QueuesItsWishes(_WrongGripper):
    """Obeys one command after the other, each to its end."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.wishes: list[float] = []

    def command(self, opening: float) -> None:
        self.wishes.append(opening)

    def read(self):
        if self.wishes and self._width() == self._motion[2]:
            super().command(self.wishes.pop(0))
        return super().read()


class DeafWhileItMoves(_WrongGripper):
    def command(self, opening: float) -> None:
        if self._width() == self._motion[2]:
            super().command(opening)


class TakesNotANumber(_WrongGripper):
    def command(self, opening: float) -> None:
        super().command(min(1.0, max(0.0, opening)))


class NeverHomed(_WrongGripper):
    def command(self, opening: float) -> None:
        raise DeviceError("not homed")


class GripperSilentAfterDisconnect(_WrongGripper):
    def disconnect(self) -> None:
        pass


class SecondGripperStopFails(_WrongGripper):
    stopped = False

    def stop(self) -> None:
        if self.stopped:
            raise RuntimeError("already stopped")
        self.stopped = True
        super().stop()


class _WrongCamera(FakeCamera):
    def __init__(self) -> None:
        super().__init__("base", width=64, height=48, rate_hz=100.0, tool_position=lambda: np.zeros(3))

    def read(self, *, timeout: float = 0.5):
        return self.spoil(super().read(timeout=timeout))

    def spoil(self, frame):
        return frame


class FloatImage(_WrongCamera):
    def spoil(self, frame):
        return replace(frame, image=frame.image.astype(np.float32) / 255.0)


class WidthFirst(_WrongCamera):
    def spoil(self, frame):
        return replace(frame, image=frame.image.transpose(1, 0, 2))


class Black(_WrongCamera):
    def spoil(self, frame):
        return replace(frame, image=np.zeros_like(frame.image))


class SharedBuffer(_WrongCamera):
    def spoil(self, frame):
        if not hasattr(self, "buffer"):
            self.buffer = frame.image
        self.buffer[:] = frame.image
        return replace(frame, image=self.buffer)


class SameStamp(_WrongCamera):
    def spoil(self, frame):
        return replace(frame, stamp=0.0)


class StampsInMilliseconds(_WrongCamera):
    def spoil(self, frame):
        return replace(frame, stamp=1000.0 * frame.stamp)


class SameFrameAgain(_WrongCamera):
    def read(self, *, timeout: float = 0.5):
        self._last = -1
        time.sleep(0.001)
        return FakeCamera.read(self, timeout=timeout)


class NormalisedIntrinsics(_WrongCamera):
    @property
    def description(self):
        described = super().description
        return replace(described, intrinsics=described.intrinsics / np.array([[64.0], [48.0], [1.0]]))


class WaitsForEver(_WrongCamera):
    def read(self, *, timeout: float = 0.5):
        return super().read(timeout=max(timeout, 1.0))


class DepthInMillimetres(_WrongCamera):
    @property
    def description(self):
        return replace(super().description, has_depth=True)

    def spoil(self, frame):
        return replace(frame, depth=np.full((48, 64), 800.0, dtype=np.float32))
