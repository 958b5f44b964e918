"""Controllers that exist in software only: what a dry run and the tests drive instead of metal.

Each one speaks the true wire protocol of its robot on a loopback address, moves its joints by kinematics alone, enforces the
published limits of the robot, and can be told to fail (`inject`). They read the protocol on their own: nothing here imports a driver,
and no driver imports anything from here. Start at `python -m robot_drivers.fake_controllers --help`, then `franka/controller.py`,
`xarm/controller.py`, `robotiq/controller.py`; what reached a controller is in `command_log.py`.
"""
