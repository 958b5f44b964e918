"""`stage env`: the variables another shell needs to see the graph, for `eval "$(stage env)"`."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from stage_bringup.cli.options import CommonOptions
from stage_core.errors import ConfigurationError

# Every graph holds an abstract socket of this name while it runs (isolation.py).
GRAPH_SOCKET = re.compile(r"@stage-robotics-ros-domain-(\d+)$")


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """Print the exports other shells need to see the running graph; use: eval "$(stage env)"."""

    domain: int | None = None
    """ROS domain of the graph, where several run; see the first line of `stage up`."""


def run(options: Options) -> int:
    """Print one export per line."""
    from stage_bringup.graph import graph_environment

    for name, value in sorted(graph_environment(choose_domain(options.domain, running_domains())).items()):
        print(f"export {name}={shlex.quote(str(value))}")
    return 0


def choose_domain(wanted: int | None, running: list[int]) -> int | None:
    """Return the domain to print; None leaves ROS_DOMAIN_ID as it is, where no graph runs.

    Raises:
        ConfigurationError: If the wanted one is out of range, or several graphs run and none is named.
    """
    if wanted is not None:
        if not 0 <= wanted <= 232:
            raise ConfigurationError(f"--domain is {wanted}; expected 0 to 232.")
        return wanted
    if len(running) > 1:
        raise ConfigurationError(
            f"{len(running)} graphs run on this machine, in the domains {running}; name one: stage env --domain {running[0]}"
        )
    return running[0] if running else None


def running_domains() -> list[int]:
    """Return the ROS domains of the graphs of Stage that run on this machine."""
    try:
        lines = Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return sorted({int(match.group(1)) for line in lines if (match := GRAPH_SOCKET.search(line))})
