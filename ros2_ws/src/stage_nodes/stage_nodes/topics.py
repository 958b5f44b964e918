"""Names and QoS of every topic and service. All names are relative, so a namespace carries a whole robot (DESIGN 4, 9.3)."""

from __future__ import annotations

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy

ARM_STATE = "arm/state"
JOINT_STATES = "joint_states"
COMMAND_PREFIX = "command/"
COMMAND_INTENDED = "command/intended"
TRUTH_OBSERVATION = "truth/stage_observation"
TRUTH_OUTCOME = "truth/outcome"
STAGE_OBSERVATION = "stage/observation"
STAGE_STATUS = "stage/status"
STAGE_EVENTS = "stage/events"
STAGE_MARKERS = "stage/markers"
OBJECT_PREFIX = "objects/"
OPERATOR_SUCCESS = "stage/operator_success"
POLICY_STATUS = "policy/status"
EPISODE_STATUS = "episode/status"
LOCKSTEP_ACKNOWLEDGE = "lockstep/acknowledge"
HEARTBEAT = "heartbeat"
TRANSFORMS = "tf"
TRANSFORMS_STATIC = "tf_static"
DIAGNOSTICS = "/diagnostics"
CLOCK = "/clock"

SET_COMMAND_SOURCE = "arm/set_command_source"
ARM_STOP = "arm/stop"
ARM_CLEAR_STOP = "arm/clear_stop"
ARM_RESUME = "arm/resume"
ARM_RECOVER = "arm/recover"
ARM_HOME = "arm/home"
GRIPPER_HOME = "gripper/home"
EMERGENCY_STOP = "arm/emergency_stop"
SAFETY_STATUS = "arm/safety"
WORKCELL_RESET = "workcell/reset"
EPISODE_START = "episode/start"
EPISODE_STOP = "episode/stop"
POLICY_RUN = "policy/run"
DEMONSTRATOR_RUN = "demonstrator/run"

COMMAND_SOURCES = ("policy", "teleop", "replay", "script")

NOT_YET = "not yet: "  # begins the message of an episode/start that was refused and may be asked for again in a moment

LEASE_SECONDS = 1.0


def camera_topic(camera: str, leaf: str) -> str:
    """Return `cameras/<camera>/<leaf>`; leaf is image_raw, depth, camera_info or image_info."""
    return f"cameras/{camera}/{leaf}"


def reliable(depth: int) -> QoSProfile:
    """Reliable, volatile, keep-last `depth`."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST)


def best_effort(depth: int = 1) -> QoSProfile:
    """Best effort, keep-last `depth`: for readers that only want the newest."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT, history=HistoryPolicy.KEEP_LAST)


def latched(depth: int = 1) -> QoSProfile:
    """Reliable and transient local: late joiners get the last `depth` messages."""
    return QoSProfile(
        depth=depth, reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, durability=DurabilityPolicy.TRANSIENT_LOCAL
    )


def leased(depth: int = 1) -> QoSProfile:
    """Reliable with a liveliness lease: readers are told within `LEASE_SECONDS` when the writer's process died."""
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        history=HistoryPolicy.KEEP_LAST,
        liveliness=LivelinessPolicy.AUTOMATIC,
        liveliness_lease_duration=Duration(seconds=LEASE_SECONDS),
    )


def leased_and_latched() -> QoSProfile:
    """Both: the newest message for late joiners, and news of the writer's death."""
    profile = leased()
    profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return profile


STATE_DEPTH = 50
IMAGE_DEPTH = 10
RECORDER_DEPTH = 120
EVENT_DEPTH = 64
