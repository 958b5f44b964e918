"""ManiSkill3 as the robot: arm, camera, policy, stage monitor, recorder and a runner that plays episodes until Ctrl-C."""

from stage_bringup.launch_conversion import launch_description


def generate_launch_description():
    """Return the graph of the maniskill workcell."""
    return launch_description("maniskill", task="PushCube", policy="pushcube", episodes="0")
