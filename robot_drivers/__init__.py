"""Arms, grippers, cameras and workcells behind small interfaces; no ROS here.

Start at `workcell.open_workcell`, which always wraps the arm in `safety.SafeArm`.
"""
