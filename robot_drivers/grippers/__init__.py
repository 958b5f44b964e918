"""Grippers as devices of their own, one per module; each builds through `from_settings(settings, context)`."""
