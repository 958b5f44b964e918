"""Policies behind openpi's websocket protocol, and the light client for the robot. Start at `policy` and `server`."""

API_KEY_VARIABLE = "STAGE_API_KEY"  # where both sides look for the API key if none is given
