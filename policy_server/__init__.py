"""Policies behind openpi's websocket protocol, and the light client for the robot. Start at `policy` and `server`."""
