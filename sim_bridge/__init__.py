"""ManiSkill3 behind the interfaces of `robot_drivers`: a workcell, its devices, its truth, and scripted demonstrations.

Start at `maniskill_workcell.ManiSkillWorkcell`; `rollouts.run_episode` shows how the parts play together without ROS.
"""
