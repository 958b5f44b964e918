"""Calls that may hang for ever, in throw-away threads with a deadline. Start at `call_with_deadline`.

libfranka waits for a busy server on TCP without a time-out, and franky's constructor puts its own thread under
SCHED_FIFO 99, which threads begun from it inherit. A thread that is thrown away contains both.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from stage_core.errors import DeadlineError

Result = TypeVar("Result")

CONTAIN_S = 0.2  # libfranka's control thread makes itself real-time well within this after a motion began


def call_with_deadline(call: Callable[[], Result], *, seconds: float, name: str, abandon: Callable[[Any], None] | None = None) -> Result:
    """Return what `call` returns, made in a thread of its own.

    Args:
        call: May block; what it raises is raised here.
        seconds: Longest wait.
        name: Of the thread and for the message.
        abandon: Gets a result that came too late, to let go of it.

    Raises:
        DeadlineError: If it takes longer; the thread goes on alone and nobody listens to it.
    """
    outcome: list[Any] = []
    lock, done = threading.Lock(), threading.Event()
    late = False

    def work() -> None:
        use_ordinary_scheduling()  # a thread begun from a real-time one would be real-time too
        try:
            result: tuple[Any, BaseException | None] = (call(), None)
        except BaseException as error:  # handed to the caller as it is
            result = (None, error)
        with lock:
            outcome.append(result)
            unwanted = late and result[1] is None
        done.set()
        if unwanted and abandon is not None:
            with contextlib.suppress(Exception):
                abandon(result[0])

    threading.Thread(target=work, name=name, daemon=True).start()
    done.wait(seconds)
    with lock:
        if not outcome:
            late = True
            raise DeadlineError(f"{name} did not end within {seconds:g} s. Look at the controller and its network.")
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def use_ordinary_scheduling(thread_id: int = 0) -> None:
    """Put a thread (0: the calling one) back under SCHED_OTHER; without effect where that is not allowed."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(thread_id, os.SCHED_OTHER, os.sched_param(0))


def real_time_threads() -> set[int]:
    """Return the ids of this process's threads under SCHED_FIFO or SCHED_RR."""
    found = set()
    for entry in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):  # it may have ended meanwhile
            if os.sched_getscheduler(int(entry)) in (os.SCHED_FIFO, os.SCHED_RR):
                found.add(int(entry))
    return found


class ControlThreadScheduling:
    """Takes real-time priority from the thread that libfranka begins for a motion, which gives itself SCHED_FIFO 99."""

    def __init__(self, *, contained: bool) -> None:
        """`contained` False leaves that thread alone: on a robot's computer it should be real-time."""
        self._contained = contained
        self._before: set[int] = set()
        self._until = 0.0

    def motion_begins(self) -> None:
        """Remember which threads are real-time already."""
        if self._contained:
            self._before, self._until = real_time_threads(), time.monotonic() + CONTAIN_S

    def look(self) -> None:
        """Put a thread that became real-time since then back under SCHED_OTHER; for a while after `motion_begins`."""
        if self._until and self._contained:
            for thread_id in real_time_threads() - self._before:
                use_ordinary_scheduling(thread_id)
            if time.monotonic() > self._until:
                self._until = 0.0
