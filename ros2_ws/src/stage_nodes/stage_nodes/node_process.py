"""Every node's main: one process, one executor, clean exit on Ctrl-C, one-line errors, no orphans.

Start at `run_node`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from stage_core.errors import StageError

SUPERVISOR_VARIABLE = "STAGE_SUPERVISOR_PID"
DEBUG_VARIABLE = "STAGE_DEBUG"
_PR_SET_PDEATHSIG = 1


def run_node(make_node: Callable[[], Node]) -> int:
    """Start rclpy, make the node, spin it until Ctrl-C or SIGTERM, and return the process's exit code.

    Args:
        make_node: Builds the node. A node may have `close()`, called once before it is destroyed, and
            `exit_code`, None while it wants to go on.

    Returns:
        0 after a clean end, 1 after an error (one line on stderr; the traceback with STAGE_DEBUG set).
    """
    die_with_supervisor()
    rclpy.init(args=sys.argv)
    node: Node | None = None
    code = 0
    try:
        node = make_node()
        executor = make_executor()
        executor.add_node(node)
        for extra in getattr(node, "companions", ()):
            executor.add_node(extra)
        while rclpy.ok() and getattr(node, "exit_code", None) is None:
            executor.spin_once(timeout_sec=0.1)
        code = getattr(node, "exit_code", None) or 0
    except (KeyboardInterrupt, ExternalShutdownException):
        code = 0
    except StageError as error:
        report(error, node)
        code = 1
    finally:
        # A terminal sends Ctrl-C to the whole process group, so a second SIGINT may arrive while we tidy up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _close(node)
    return code


def make_executor():
    """Return rclpy's event-driven executor: a third of the latency and of the processor time of the default one."""
    from rclpy.experimental import EventsExecutor

    return EventsExecutor()


def _close(node: Node | None) -> None:
    if node is not None:
        try:
            close = getattr(node, "close", None)
            if close is not None:
                close()
            for extra in getattr(node, "companions", ()):
                extra.destroy_node()
            node.destroy_node()
        except Exception as error:  # the process ends anyway; say why and go on to the shutdown
            print(f"{type(error).__name__} while closing: {error}", file=sys.stderr, flush=True)
    rclpy.try_shutdown()


def report(error: BaseException, node: Node | None = None) -> None:
    """Print an error as one line on stderr, with the traceback when STAGE_DEBUG is set."""
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    name = node.get_name() if node is not None else os.path.basename(sys.argv[0])
    print(f"[{name}] error: {error}", file=sys.stderr, flush=True)


def die_with_supervisor() -> None:
    """Ask the kernel for SIGINT when the supervisor dies, so that its kill leaves no orphan. Linux only."""
    expected = os.environ.get(SUPERVISOR_VARIABLE)
    if expected is None:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != int(expected):  # it died before we could ask
        sys.exit(1)
