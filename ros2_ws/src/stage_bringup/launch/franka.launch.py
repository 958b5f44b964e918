"""A Franka arm. Its driver is not part of this version: the launch says so in one line and starts nothing."""

from launch.actions import LogInfo, Shutdown

from launch import LaunchDescription


def generate_launch_description():
    """Refuse in words."""
    words = "the Franka driver is not part of this version of Stage; nothing was started. Use maniskill.launch.py or fake.launch.py."
    return LaunchDescription([LogInfo(msg=f"error: {words}"), Shutdown(reason=words)])
