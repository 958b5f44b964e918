"""Where a camera stands or hangs, measured with a printed ChArUco board. No ROS here, and nothing that moves the arm.

Start at `session.CalibrationSession` for how samples are taken and at `hand_eye.fit` for the numbers. Frames, all right-handed: `base` of
the arm, `ee` (the tool centre as in `ArmState`), `camera` (optical: z forward, x right), `board` (x along the columns, y along the rows).
"""
