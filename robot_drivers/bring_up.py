"""Waits, in words, until a controller is ready: joints unlocked, nobody else in control, no stop pressed. Start at `wait_until_ready`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from stage_core.errors import DeviceError

logger = logging.getLogger(__name__)

REPEAT_S = 10.0  # an obstacle that stays is told again this often


def wait_until_ready(
    find_obstacle: Callable[[], str],
    *,
    name: str,
    timeout_s: float,
    poll_s: float = 0.5,
    steady: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once `find_obstacle` finds none; tell each obstacle once, and again every ten seconds.

    Args:
        find_obstacle: Returns in words what keeps the device from being used and what to do about it, or "".
        name: Of the device, for messages.
        timeout_s: Longest wait, s; 0 looks once.
        poll_s: Time between two looks, s.
        steady: A clock that never jumps, s.
        sleep: Lets that many seconds pass.

    Raises:
        DeviceError: With the last obstacle, after `timeout_s`; and whatever `find_obstacle` raises, at once.
    """
    deadline, told, told_at = steady() + timeout_s, "", -REPEAT_S
    while obstacle := find_obstacle():
        if steady() >= deadline:
            waited = f" Waited {timeout_s:g} s." if timeout_s > 0.0 else ""
            raise DeviceError(f"{name}: {obstacle}{waited}")
        if obstacle != told or steady() - told_at >= REPEAT_S:
            logger.warning("%s: waiting: %s", name, obstacle)
            told, told_at = obstacle, steady()
        sleep(poll_s)
    if told:
        logger.warning("%s: ready", name)
