"""A Robotiq 2F gripper without the gripper: Modbus TCP and RTU, fingers, faults. Start at `controller.FakeRobotiq`."""
