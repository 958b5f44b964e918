"""Every node's main: one process, one executor, clean exit on Ctrl-C, one-line errors, no orphans.

Start at `run_node`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from stage_core.errors import StageError
from stage_core.supervision import die_with_supervisor

DEBUG_VARIABLE = "STAGE_DEBUG"


CONTROL_PATH, CAMERAS = -10, -5  # niceness of what a real arm waits for at each step, and of what it may wait for a little


def ask_for_precedence(niceness: int = CONTROL_PATH) -> None:
    """Ask the scheduler to run this process before others: the arm waits for it. Without the right to it nothing changes.

    Linux keeps a niceness for each thread: those that take messages off the network are there already, later ones inherit it.
    """
    with contextlib.suppress(OSError):
        for thread in os.listdir("/proc/self/task"):
            os.setpriority(os.PRIO_PROCESS, int(thread), niceness)


def run_node(make_node: Callable[[], Node]) -> int:
    """Start rclpy, make the node, spin it until Ctrl-C or SIGTERM, and return the process's exit code.

    Args:
        make_node: Builds the node. A node may have `close()`, called once before it is destroyed, and
            `exit_code`, None while it wants to go on.

    Returns:
        0 after a clean end, 1 after an error (one line on stderr; the traceback with STAGE_DEBUG set).
    """
    die_with_supervisor()
    # rclpy's own handler would end the context while callbacks still publish; ours only asks the loop to end.
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    asked_to_end = threading.Event()
    node: Node | None = None
    executor = None
    code = 0
    try:
        _on_signals(signal.default_int_handler)  # while the node waits for hardware or a server, Ctrl-C ends the wait
        node = make_node()
        _on_signals(lambda *_: asked_to_end.set())
        executor = make_executor()
        executor.add_node(node)
        for extra in getattr(node, "companions", ()):
            executor.add_node(extra)
        while not asked_to_end.is_set() and getattr(node, "exit_code", None) is None:
            executor.spin_once(timeout_sec=0.1)
        code = getattr(node, "exit_code", None) or 0
    except KeyboardInterrupt:
        code = 0
    except StageError as error:
        report(error, node)
        code = 1
    finally:
        # A terminal and a launcher may both send Ctrl-C; the second must not spoil the tidying up.
        _on_signals(signal.SIG_IGN)
        _close(node)
        # Nodes hang in reference cycles with their callbacks; native libraries complain about what is alive at the exit.
        node = executor = None
        gc.collect()
    return code


def _on_signals(handler) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


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
