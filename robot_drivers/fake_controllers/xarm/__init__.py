"""An xArm controller without an arm: it speaks the control box's wire protocol to the vendor's own client library.

Start at `controller.FakeXArm`. `messages` has the frames, `registers` says which function code does what, `motion` moves the
joints, `limits` says when a command is too much.
"""
