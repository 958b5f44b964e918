"""Reads where the tool, or an object, is in a running graph, once it is at rest; one line of JSON. Used by `stage teach`.

Run as `python -m stage_nodes.read_pose tool` or `... object NAME`; the process ends by itself.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import rclpy
from stage_msgs.msg import ArmState, ObjectState

from stage_nodes.conversions import orientation_of, position_of
from stage_nodes.topics import ARM_STATE, OBJECT_PREFIX, STATE_DEPTH, reliable

FIND_S = 10.0
LOOK_S = 1.0
FEWEST = 5
STILL_M = {"tool": 0.001, "object": 0.004}  # greatest way from the median; a detector's noise is not motion
LEAST_CONFIDENCE = 0.6  # what moves a stage


def main() -> int:
    """Print the pose and return 0, or the reason and return 1."""
    what, name = sys.argv[1], sys.argv[2] if sys.argv[1] == "object" else ""
    rclpy.init(args=sys.argv)
    node = rclpy.create_node("read_pose")
    seen: list[tuple[np.ndarray, np.ndarray | None]] = []
    unsure = [0]

    def on_state(message: ArmState) -> None:
        seen.append((position_of(message.ee_pose), orientation_of(message.ee_pose)))

    def on_object(message: ObjectState) -> None:
        if message.position_valid and message.confidence >= LEAST_CONFIDENCE:
            seen.append((position_of(message.pose), orientation_of(message.pose) if message.orientation_valid else None))
        else:
            unsure[0] += 1

    topic = ARM_STATE if what == "tool" else OBJECT_PREFIX + name
    node.create_subscription(*((ArmState, topic, on_state) if what == "tool" else (ObjectState, topic, on_object)), reliable(STATE_DEPTH))
    try:
        deadline, end = time.monotonic() + FIND_S, None
        while time.monotonic() < (end or deadline):
            rclpy.spin_once(node, timeout_sec=0.1)
            if seen and end is None:
                end = time.monotonic() + LOOK_S
        return _tell(seen, unsure[0], topic, STILL_M[what])
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _tell(seen: list[tuple[np.ndarray, np.ndarray | None]], unsure: int, topic: str, still: float) -> int:
    if not seen and unsure:
        print(f"{topic}: {unsure} images, none with the object seen surely. Bring it into the camera's view, or add light.")
        return 1
    if len(seen) < FEWEST:
        print(f"{topic}: {len(seen)} messages in this domain, expected {FEWEST}. Is the graph up? Compare --domain and --namespace.")
        return 1
    positions = np.array([position for position, _ in seen])
    median = np.median(positions, axis=0)
    way = float(np.percentile(np.linalg.norm(positions - median, axis=1), 90))
    if way > still:
        print(f"{topic}: it moved by {1000 * way:.1f} mm while it was read; expected at most {1000 * still:g} mm. Let it come to rest.")
        return 1
    turned = [orientation for _, orientation in seen if orientation is not None]
    # The measured orientation nearest to all others; averaging components would mix the two signs of one quaternion.
    best = max(turned, key=lambda one: sum(abs(float(one @ other)) for other in turned)) if 2 * len(turned) > len(seen) else None
    answer = {"position": median.tolist(), "orientation": None if best is None else best.tolist(), "samples": len(seen), "way_m": way}
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
