"""A Franka Research 3 in software: the FCI (command TCP, state UDP) and the Franka Hand on a loopback address.

Start at `controller.py` (`FakeFranka`). The layouts of every message are in `messages.py`, the limits in `limits.py`.
"""
