"""No orphans: a process that a supervisor started ends with it, also when the supervisor was killed. Linux only; nothing elsewhere."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

SUPERVISOR_VARIABLE = "STAGE_SUPERVISOR_PID"
_PR_SET_PDEATHSIG = 1


def die_with_supervisor() -> None:
    """Ask the kernel for SIGINT when the process named in STAGE_SUPERVISOR_PID dies; without the variable do nothing.

    Ends this process at once where the supervisor has died already.
    """
    expected = os.environ.get(SUPERVISOR_VARIABLE)
    if expected is None:
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != int(expected):  # it died before we could ask
        sys.exit(1)
