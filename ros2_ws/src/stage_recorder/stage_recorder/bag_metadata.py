"""metadata.yaml, the file rosbag2 reads first (format 9, Jazzy)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from stage_recorder.definitions import type_hash


@dataclass(frozen=True)
class BagTopic:
    """One topic of the bag."""

    name: str
    type_name: str
    messages: int
    latched: bool = False


def offered_qos(latched: bool) -> list[dict[str, Any]]:
    """Return the QoS rosbag2 replays a topic with: reliable, and transient local where late joiners get old messages."""
    unlimited = {"sec": 9223372036, "nsec": 854775807}
    return [
        {
            "history": "keep_last",
            "depth": 100 if latched else 10,
            "reliability": "reliable",
            "durability": "transient_local" if latched else "volatile",
            "deadline": dict(unlimited),
            "lifespan": dict(unlimited),
            "liveliness": "automatic",
            "liveliness_lease_duration": dict(unlimited),
            "avoid_ros_namespace_conventions": False,
        }
    ]


def bag_metadata(file_name: str, topics: list[BagTopic], start_ns: int, end_ns: int) -> str:
    """Return the text of metadata.yaml.

    Args:
        file_name: Name of the MCAP in the same directory.
        topics: What it holds.
        start_ns: Time of the first message, ns; 0 without messages.
        end_ns: Time of the last message, ns.
    """
    start = {"nanoseconds_since_epoch": start_ns}
    duration = {"nanoseconds": max(0, end_ns - start_ns)}
    count = sum(topic.messages for topic in topics)
    listed = [
        {
            "topic_metadata": {
                "name": topic.name,
                "type": topic.type_name,
                "serialization_format": "cdr",
                "offered_qos_profiles": offered_qos(topic.latched),
                "type_description_hash": type_hash(topic.type_name),
            },
            "message_count": topic.messages,
        }
        for topic in topics
    ]
    information = {
        "version": 9,
        "storage_identifier": "mcap",
        "relative_file_paths": [file_name],
        "duration": duration,
        "starting_time": start,
        "message_count": count,
        "topics_with_message_count": listed,
        "compression_format": "",
        "compression_mode": "",
        "files": [{"path": file_name, "starting_time": start, "duration": duration, "message_count": count}],
        "custom_data": None,
        "ros_distro": "jazzy",
    }

    class PlainDumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # rosbag2's YAML reader knows no anchors
            return True

    return yaml.dump({"rosbag2_bagfile_information": information}, Dumper=PlainDumper, sort_keys=False)
