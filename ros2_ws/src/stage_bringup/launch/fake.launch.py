"""The fake workcell: the topology of a real robot, each device in a process of its own, without hardware."""

from stage_bringup.launch_conversion import launch_description


def generate_launch_description():
    """Return the graph of the fake workcell."""
    return launch_description("fake", policy="scripted")
