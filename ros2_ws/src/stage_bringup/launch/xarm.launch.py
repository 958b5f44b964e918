"""A UFACTORY xArm with its gripper, cameras, stage monitor and recorder. No policy acts until one is named. `ros2 launch ... --show-args` lists the arguments."""

from stage_bringup.launch_conversion import launch_description


def generate_launch_description():
    """Return the graph; robot_address is the controller's, dry_run:=true needs none."""
    return launch_description("xarm", policy="", robot=True)
