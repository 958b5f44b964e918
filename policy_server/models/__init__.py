"""Policies that Stage brings along; `policy_server.loading` finds them by name."""
