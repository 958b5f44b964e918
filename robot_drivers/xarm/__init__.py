"""UFACTORY xArm 6, xArm 7 and Lite 6 on xarm-python-sdk. Start at `xarm_arm.XArm`.

`sdk` is the only file that imports the vendor's package, `units` the only one that knows millimetres; a `Session` is one connected
life of the arm, with a sender thread for targets and a second connection for stopping.
"""
