"""The xArm gripper at the wrist, reached through the control box (RS-485 behind it). Start at `GripperConnection`."""

from __future__ import annotations

from robot_drivers.xarm.connection import Connection


class GripperConnection(Connection):
    """A connection of its own for the gripper: each of its calls takes 10 to 30 ms on the RS-485, too long between two servo targets."""

    def gripper_baud_rate(self) -> tuple[int, int]:
        """Return the code and the baud rate of the wrist's RS-485."""
        # The SDK would change a wrong one by itself: it restarts the wrist, clears errors and sets state 0. Never here.
        self._api.set_baud_checkset_enable(False)
        return self._api.get_rs485_baudrate()

    def gripper_errors(self) -> tuple[int, int]:
        """Return the code and the gripper's own error."""
        return self._api.get_gripper_err_code(check_baud=False)

    def gripper_pulses(self) -> tuple[int, int | None]:
        """Return the code and the gripper's position in its own pulses."""
        answer = self._api.get_gripper_position(check_baud=False)
        # The SDK gives a bare code instead of a pair where the gripper has an error.
        return answer if isinstance(answer, tuple) else (int(answer), None)

    def enable_gripper(self) -> int:
        """Switch the gripper's motor on, in position mode; nothing moves."""
        return self._api.set_gripper_mode(0, check_baud=False) or self._api.set_gripper_enable(True, check_baud=False)

    def set_gripper_speed(self, pulses: float) -> int:
        """Set its speed in its own unit (r/min)."""
        return self._api.set_gripper_speed(pulses, check_baud=False)

    def clear_gripper_error(self) -> int:
        """Clear the gripper's own error."""
        return self._api.clean_gripper_error(check_baud=False)

    def send_gripper(self, pulses: int) -> int:
        """Send the gripper to a position in pulses, without waiting for it or for the arm."""
        return self._api.set_gripper_position(pulses, wait=False, wait_motion=False, check_baud=False)
