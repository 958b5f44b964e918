"""Franka Research 3 through franky. Start at `franka_arm.FrankaArm`."""
