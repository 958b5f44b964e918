"""One connection to a controller, in SI units: every call of the SDK that the arm needs. Start at `Connection`."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

import numpy as np

from robot_drivers.xarm.reports import ReportKeeper
from robot_drivers.xarm.sdk import load_sdk
from robot_drivers.xarm.units import MILLIMETRES, lengths_to_controller, pose_to_controller, servo_pose_to_controller
from stage_core.errors import DeviceError

REACH_S = 1.0  # to open a TCP connection on a local network


class Connection:
    """One command connection to a controller, with a report connection where `report` names one.

    Methods return the SDK's code (0 = done) and never raise for what the controller says; one thread at a time may call them.
    """

    def __init__(self, address: str, *, control_port: int, report: str = "", keeper: ReportKeeper | None = None) -> None:
        """Prepare; nothing is opened yet.

        Args:
            address: IP address of the control box.
            control_port: 502 on a real one.
            report: `real` (100 Hz, no error code), `rich` (5 Hz, everything) or "" for none.
            keeper: Gets the reports.

        Raises:
            MissingDependencyError: If the SDK is not installed.
        """
        self.address, self._port, self._report, self._keeper = address, control_port, report, keeper
        # An idle connection that gets no reports must say something now and then, or the controller may drop it.
        self._api = load_sdk().XArmAPI(
            address,
            is_radian=True,
            do_not_open=True,
            enable_report=bool(report),
            report_type=report or "rich",
            check_is_pause=False,
            check_cmdnum_limit=False,
            timed_comm=report != "real",
            forbid_uds=True,  # a left-over file in /tmp would lead the SDK to another controller than `address`
        )
        if keeper is not None and report == "real":
            self._api.register_report_callback(self._on_quick, report_error_code=False, report_warn_code=False)
        elif keeper is not None and report == "rich":
            self._api.register_report_callback(self._on_rich)

    # ---- life

    def open(self, timeout_s: float) -> None:
        """Connect. Raises DeviceError in words after `timeout_s`, or at once where nobody listens."""
        try:
            with socket.create_connection((self.address, self._port), timeout=REACH_S):
                pass
        except OSError as error:
            raise DeviceError(
                f"no xArm control box answers at {self.address} port {self._port} ({error.strerror or error}). Check its power, the cable, "
                "and that this computer has an address in the same network."
            ) from None
        done, problems = threading.Event(), []

        def connect() -> None:
            try:
                load_sdk().ports.TCP_CONTROL_PORT = self._port
                self._api.connect()
            except Exception as error:  # the SDK raises bare Exceptions
                problems.append(error)
            finally:
                done.set()

        threading.Thread(target=connect, name="xarm_connect", daemon=True).start()
        if not done.wait(timeout_s) or problems or not self.alive:
            self.close()
            raise DeviceError(
                f"{self.address} accepts connections but does not answer as an xArm does{f' ({problems[0]})' if problems else ''}. "
                "Wait until the control box has started (a minute after power on), or restart it."
            )

    def close(self) -> None:
        """Let go; returns at once. Idempotent."""
        threading.Thread(target=self._close, name="xarm_close", daemon=True).start()

    def _close(self) -> None:
        with contextlib.suppress(Exception):  # the SDK joins its own threads and stumbles over those that never ran
            self._api.disconnect()

    @property
    def alive(self) -> bool:
        """False once the SDK has seen the connection end; a cable that was pulled shows only as silence."""
        return bool(self._api.connected)

    # ---- facts

    @property
    def axes(self) -> int:
        """Joints of the arm."""
        return int(self._api.axis)

    @property
    def type_number(self) -> int:
        """What the controller calls the kind of arm."""
        return int(self._api.device_type)

    @property
    def firmware(self) -> tuple[int, int, int]:
        """Version of the controller's firmware."""
        return tuple(int(part) for part in self._api.version_number)

    @property
    def sdk_version(self) -> str:
        """Version of the Python package."""
        return load_sdk().version

    # ---- reading

    def read_codes(self) -> tuple[int, int, int]:
        """Return the reply's code, the error code and the warning code."""
        # Not get_err_warn_code(): that stores the error in the SDK, which then stops updating the joints.
        reply = self._api.core.get_err_code()
        code = 0 if reply[0] in (0, 1, 2, 9) else int(reply[0])
        return (code, int(reply[1]), int(reply[2])) if len(reply) >= 3 else (code or 4, 0, 0)

    def read_reduced_mode(self) -> tuple[int, bool, float, float]:
        """Return the reply's code, whether reduced mode is on, and its limits in m/s and rad/s."""
        code, states = self._api.get_reduced_states(is_radian=True)
        if code != 0 or len(states) < 4:
            return code or 4, False, 0.0, 0.0
        return 0, bool(states[0]), float(states[2]) / MILLIMETRES, float(states[3])

    # ---- enabling and configuring

    def enable_motors(self) -> int:
        """Release the brakes; nothing moves."""
        return self._api.motion_enable(enable=True)

    def set_mode(self, mode: int) -> int:
        """Switch the controller's mode; it takes targets again after `set_state(0)` only."""
        return self._api.set_mode(mode)

    def set_state(self, state: int) -> int:
        """0 = take targets, 4 = stop."""
        return _code(self._api.core.set_state(state))

    def clear_error(self) -> int:
        """Clear the controller's error; one whose cause stays comes back."""
        return self._api.clean_error()

    def clear_warning(self) -> int:
        """Clear the controller's warning."""
        return self._api.clean_warn()

    def set_tool(self, flange_to_tool: np.ndarray) -> int:
        """Set the TCP offset, (7,) m and xyzw."""
        return self._api.set_tcp_offset(pose_to_controller(flange_to_tool), is_radian=True, wait=False)

    def set_load(self, mass: float, center_of_mass: np.ndarray) -> int:
        """Set the TCP load, kg and (3,) m."""
        return _code(self._api.core.set_tcp_load(mass, lengths_to_controller(center_of_mass)))

    def set_collision_sensitivity(self, value: int) -> int:
        """Set 0 to 5."""
        # Not set_collision_sensitivity(): that waits for motions to end and sets state 0 by itself.
        return _code(self._api.core.set_collis_sens(value))

    def set_reduced_mode(self, on: bool, *, tool_speed: float = 0.0, joint_speed: float = 0.0) -> int:
        """Switch the controller's own speed limits, m/s and rad/s, on or off."""
        if not on:
            return self._api.set_reduced_mode(False)
        return (
            self._api.set_reduced_max_tcp_speed(tool_speed * MILLIMETRES)
            or self._api.set_reduced_max_joint_speed(joint_speed, is_radian=True)
            or self._api.set_reduced_mode(True)
        )

    # ---- moving

    def send_joints(self, joints: np.ndarray) -> int:
        """Send one joint servo target, (n,) rad; may block for two seconds when the link is lost."""
        return self._api.set_servo_angle_j([float(angle) for angle in joints], is_radian=True)

    def send_pose(self, pose: np.ndarray) -> int:
        """Send one Cartesian servo target, (7,) m and xyzw; blocks as above."""
        return self._api.set_servo_cartesian_aa(servo_pose_to_controller(pose), is_radian=True)

    # ---- reports; the SDK calls these from its own thread

    def _on_quick(self, report: dict[str, Any]) -> None:
        self._keeper.take_quick(report["joints"], report["cartesian"], self._api.joints_torque, report["state"], self._api.mode)

    def _on_rich(self, report: dict[str, Any]) -> None:
        # The SDK calls back before it has parsed the rest of the report, so the rest is read from its bytes.
        rich = self._api.report_data
        self._keeper.take_rich(
            error=report["error_code"],
            warning=report["warn_code"],
            motors=[brake and enabled for brake, enabled in zip(report["mtbrake"], report["mtable"], strict=True)],
            tool=rich.tcp_offset,
            load=(rich.tcp_payload[0], rich.tcp_payload[1:]),
            collision_sensitivity=rich.collision_sens,
            base_offset=rich.world_offset,
        )


def _code(reply: list[Any]) -> int:
    """Return the code of a reply; an error, a warning or a rest that is only told with it does not make the command fail."""
    return 0 if reply[0] in (0, 1, 2, 9) else int(reply[0])
