"""`stage serve`: a policy server in this process, openpi's websocket protocol, until Ctrl-C."""

from __future__ import annotations

import os
from dataclasses import dataclass

from stage_bringup.cli import names
from stage_bringup.cli.options import CommonOptions
from stage_core.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """Serve a policy over openpi's websocket protocol: Stage's client and openpi's own both work against it."""

    policy: str
    """A bundled policy, a checkpoint folder, or module:Class."""
    port: int = 8000
    """TCP port."""
    host: str = "127.0.0.1"
    """Address to listen on; anything but loopback should have an API key."""
    api_key_variable: str = "STAGE_API_KEY"
    """Name of the environment variable with the API key clients must send; unset means no key."""


def run(options: Options) -> int:
    """Serve until Ctrl-C or SIGTERM; returns 0 after a clean shutdown."""
    if not 1 <= options.port <= 65535:
        raise ConfigurationError(f"--port is {options.port}; expected 1 to 65535.")
    if names.is_address(options.policy):
        raise ConfigurationError(
            f"--policy is {options.policy}, a running server; expected a policy to serve. Name a bundled one or a checkpoint."
        )
    names.resolve_policy(options.policy)
    from policy_server.__main__ import main
    from stage_bringup.policies import served_policy

    # The key goes by the environment, never by the command line, where every user of the machine could read it.
    arguments = ["--policy", served_policy(options.policy), "--port", str(options.port), "--host", options.host]
    key = os.environ.get(options.api_key_variable, "")
    if key:
        arguments += ["--api-key", key]
    try:
        return int(main(arguments) or 0)
    except KeyboardInterrupt:
        return 0
