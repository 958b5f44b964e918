"""Devices that may only be looked at: nothing that is asked of them reaches the controller (`read_only:=true`)."""

from __future__ import annotations

from robot_drivers.arm import Arm, ArmCommand, ArmDescription, ArmState, ToolReading
from robot_drivers.gripper import Gripper, GripperDescription, GripperState
from stage_core.errors import CommandRefusedError, DeviceError

WORDS = "the workcell is read-only; nothing is commanded. Start it again without read_only."


class ReadOnlyArm(Arm):
    """An arm whose state is read and that is never commanded, stopped, recovered or configured."""

    def __init__(self, arm: Arm) -> None:
        """Look at `arm`, which was itself built read-only, so that connecting configures nothing."""
        self._arm = arm

    @property
    def description(self) -> ArmDescription:
        return self._arm.description

    def connect(self) -> None:
        self._arm.connect()

    def read_tool(self) -> ToolReading:
        return self._arm.read_tool()

    def read_state(self) -> ArmState:
        return self._arm.read_state()

    def command(self, command: ArmCommand) -> None:
        raise DeviceError(WORDS)

    def stop(self) -> None:
        """Nothing: whoever moves this arm is somebody else, and the hardware stop is in reach."""

    def recover(self) -> None:
        raise CommandRefusedError(WORDS)

    def disconnect(self) -> None:
        self._arm.disconnect()


class ReadOnlyGripper(Gripper):
    """A gripper whose state is read and that is never moved."""

    def __init__(self, gripper: Gripper) -> None:
        """Look at `gripper`."""
        self._gripper = gripper

    @property
    def description(self) -> GripperDescription:
        return self._gripper.description

    def connect(self) -> None:
        self._gripper.connect()

    def read(self) -> GripperState:
        return self._gripper.read()

    def command(self, opening: float) -> None:
        """Nothing."""

    def home(self) -> None:
        raise CommandRefusedError(WORDS)

    def stop(self) -> None:
        """Nothing."""

    def disconnect(self) -> None:
        self._gripper.disconnect()
