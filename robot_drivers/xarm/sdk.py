"""The only file that imports xarm-python-sdk. What the SDK does beside its work is contained here. Start at `load_sdk`.

- It sets a time-out of 1 s for every new socket of the process: its `socket` module is a stand-in without that call, so nothing of it
  is ever seen outside, not even when it builds a report connection anew in a thread of its own.
- It prints and logs to standard output: that goes to our log at debug level.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

from stage_core.errors import MissingDependencyError

logger = logging.getLogger(__name__)


class Sdk:
    """What this driver needs of the SDK: `XArmAPI`, its `ports`, its `version`."""

    def __init__(self) -> None:
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # its version, at import
                from xarm.core.comm import socket_port
                from xarm.core.config.x_config import XCONF
                from xarm.core.utils import log
                from xarm.core.wrapper import uxbus_cmd_tcp
                from xarm.version import __version__
                from xarm.wrapper import XArmAPI
                from xarm.x3 import base, gripper, report
        except ImportError:
            raise MissingDependencyError(
                "xarm-python-sdk is not installed; the driver of the xArm needs it. Run: pip install 'stage-robotics[xarm]'"
            ) from None
        socket_port.socket = _SocketWithoutDefault()
        for module in (base, gripper, report, uxbus_cmd_tcp):
            module.print = _print_to_log
        for talkative in (log.logger, log.origin_logger):
            talkative.handlers[:] = [_ToOurLog()]
            talkative.propagate = False
        self.XArmAPI: Callable[..., Any] = XArmAPI
        self.ports: Any = XCONF.SocketConf
        self.version = str(__version__)


class _SocketWithoutDefault:
    """The module `socket` for the SDK, without its time-out for every socket of the process."""

    def __getattr__(self, name: str) -> Any:
        return getattr(socket, name)

    def setdefaulttimeout(self, timeout: float | None) -> None:
        """Do nothing: the SDK gives its own sockets their time-outs anyway."""


class _ToOurLog(logging.Handler):
    """Hands what the SDK logs on, at debug level: whatever matters of it becomes a fault or an error in words."""

    def emit(self, record: logging.LogRecord) -> None:
        logger.debug("sdk: %s", record.getMessage())


def _print_to_log(*words: Any, file: Any = None, **_: Any) -> None:
    if file is None:
        logger.debug("sdk: %s", " ".join(str(word) for word in words))
    else:
        builtins.print(*words, file=file)


_sdk: Sdk | None = None
_loading = threading.Lock()


def load_sdk() -> Sdk:
    """Return the SDK, imported at its first use. Raises MissingDependencyError."""
    global _sdk
    with _loading:
        if _sdk is None:
            _sdk = Sdk()
    return _sdk
