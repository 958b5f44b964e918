"""What stands between every command and the metal: limits, watchdog, stop latch. Start at `safe_arm.SafeArm`."""

from robot_drivers.safety.homing import Homing
from robot_drivers.safety.limits import CollisionSphere, KeepOutBox, KeepOutPlane, SafetyLimits
from robot_drivers.safety.reduced_speed import reduced
from robot_drivers.safety.safe_arm import SafeArm
from robot_drivers.safety.status import SafeArmStatus, Verdict

__all__ = ["CollisionSphere", "Homing", "KeepOutBox", "KeepOutPlane", "SafeArm", "SafeArmStatus", "SafetyLimits", "Verdict", "reduced"]
