"""The joints over time: a stream of targets, a queue of moves, a velocity, a target that may change, or braking.

The controller's own clock calls `Motion.step` about 250 times a second; nothing else moves the joints. A streamed target is reached
within the time that passed since the one before (about one command period), so that a steady stream gives steady speeds.
Start at `Motion.step`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .kinematics import Kinematics, NoSolution
from .models import JOINT_ACCELERATION, JOINT_SPEED, Model
from .moves import JointMove, LineMove, Pause, chase

SHORTEST_PERIOD = 0.004  # s, the controller takes one streamed target per cycle of 250 Hz
LONGEST_PERIOD = 0.020  # s, beyond that a stream has paused: the target is reached as after an ordinary period
SMOOTHING = 0.008  # s, of the reported velocities
AT_REST = 1e-4  # rad/s

ERROR_KINEMATIC, ERROR_JOINT_RANGE, ERROR_SPEED = 21, 23, 24


@dataclass
class Task:
    """One queued move and whom to tell when it has ended (result 0 done, 2 discarded)."""

    number: int
    move: JointMove | LineMove | Pause
    ended: Callable[[int], None] = lambda result: None
    began: float | None = field(default=None)


class MotionFault(Exception):
    """The motion itself broke a limit: error `code`, and what to log."""

    def __init__(self, code: int, name: str, value: float, limit: float) -> None:
        """Keep what happened."""
        super().__init__(name)
        self.code, self.name, self.value, self.limit = code, name, value, limit


class Motion:
    """Joints and what moves them. Not locked: the machine that owns it is."""

    def __init__(self, model: Model, kinematics: Kinematics, joints: np.ndarray) -> None:
        """Rest at `joints` (n,) rad."""
        self._model, self._kinematics = model, kinematics
        self._lowest, self._highest = np.array(model.joint_ranges).T
        self.joints = np.array(joints, dtype=float)
        self.velocity = np.zeros(model.axes)  # as reported: smoothed
        self._rate = np.zeros(model.axes)  # of the last step
        self._last_step: float | None = None
        self._tasks: deque[Task] = deque()
        self._count = 0
        self._clear_continuous()

    def _clear_continuous(self) -> None:
        self._segment: tuple[np.ndarray, np.ndarray, float, float] | None = None  # from, to, begin, duration
        self._streamed_at: float | None = None
        self.stream_target: np.ndarray | None = None
        self._chase: tuple[np.ndarray, float, float] | None = None
        self._drive: tuple[Callable[[np.ndarray], np.ndarray], float | None] | None = None
        self._braking = False

    @property
    def moving(self) -> bool:
        """Whether a move is under way or the joints are not yet at rest."""
        return bool(self._tasks or self._chase or self._segment or self._braking or self._drive)

    @property
    def queued(self) -> int:
        """How many moves wait or are under way."""
        return len(self._tasks)

    def stream(self, target: np.ndarray, now: float) -> None:
        """Follow a streamed target (n,) rad from `now` on."""
        period = 0.010 if self._streamed_at is None else now - self._streamed_at
        period = 0.010 if period > LONGEST_PERIOD else max(period, SHORTEST_PERIOD)
        self._streamed_at, self.stream_target, self._braking = now, target.copy(), False
        duration = max(period, float(np.abs(target - self.joints).max()) / JOINT_SPEED)
        self._segment = (self.joints.copy(), target.copy(), now, duration)

    def queue(self, move: JointMove | LineMove | Pause, ended: Callable[[int], None] = lambda result: None) -> int:
        """Put a move at the end of the queue; returns its number."""
        self._count = self._count % 65535 + 1
        self._tasks.append(Task(self._count, move, ended))
        return self._count

    def chase(self, target: np.ndarray, speed: float, acceleration: float) -> None:
        """Go to `target` from wherever the arm is and however fast it goes (online planning)."""
        self._braking = False
        self._chase = (target.copy(), speed, acceleration)

    def drive(self, velocity_at: Callable[[np.ndarray], np.ndarray], until: float | None) -> None:
        """Keep the joint velocity that `velocity_at(joints)` gives, until the steady time `until` (None: for ever)."""
        self._braking = False
        self._drive = (velocity_at, until)

    def stop(self) -> None:
        """Forget every target and come to rest as fast as the joints may."""
        tasks, self._tasks = list(self._tasks), deque()
        self._clear_continuous()
        self._braking = bool(np.abs(self._rate).max() > AT_REST)
        for task in tasks:
            task.ended(2)

    def freeze(self) -> None:
        """Come to rest at once: the brakes have fallen in."""
        self.stop()
        self._braking = False
        self._rate[:] = self.velocity[:] = 0.0

    def hold(self, now: float) -> None:
        """Stand still until `now`, and go on later as if the time between had not been."""
        waited = 0.0 if self._last_step is None else now - self._last_step
        self._last_step = now
        self._rate[:] = self.velocity[:] = 0.0
        self._segment = None
        if self._tasks and self._tasks[0].began is not None:
            self._tasks[0].began += waited

    def step(self, now: float) -> None:
        """Move on to `now`, the steady time in seconds.

        Raises:
            MotionFault: If the way ahead leaves a range, a speed or the reach of the arm. The joints stay where they were.
        """
        last, self._last_step = self._last_step, now
        if last is None or now <= last:
            return
        step_s = now - last
        before = self.joints.copy()
        try:
            self._advance(now, min(step_s, 0.05))
        except NoSolution as problem:
            self.joints = before
            raise MotionFault(ERROR_KINEMATIC, "reach", 0.0, 0.0) from problem
        self._check(before, step_s)
        self._rate = (self.joints - before) / step_s
        self.velocity += (self._rate - self.velocity) * min(1.0, step_s / (step_s + SMOOTHING))
        if not self.moving and np.abs(self.velocity).max() < AT_REST:
            self.velocity[:] = 0.0

    def _advance(self, now: float, step_s: float) -> None:
        if self._braking:
            self._rate -= np.clip(self._rate, -JOINT_ACCELERATION * step_s, JOINT_ACCELERATION * step_s)
            self.joints = np.clip(self.joints + self._rate * step_s, self._lowest, self._highest)
            self._braking = bool(np.abs(self._rate).max() > AT_REST)
        elif self._segment is not None:
            start, target, began, duration = self._segment
            share = min(1.0, (now - began) / duration)
            self.joints = start + (target - start) * share
            if share >= 1.0 and now - began > LONGEST_PERIOD:
                self._segment = None
        elif self._drive is not None:
            self._advance_drive(now, step_s)
        elif self._chase is not None:
            target, speed, acceleration = self._chase
            rate = chase(self.joints, self._rate, target, speed, acceleration, step_s)
            self.joints = self.joints + rate * step_s
            if np.abs(target - self.joints).max() < 1e-6:
                self.joints, self._chase = target.copy(), None
        elif self._tasks:
            self._advance_task(now)

    def _advance_drive(self, now: float, step_s: float) -> None:
        velocity_at, until = self._drive
        ended = until is not None and now >= until
        wanted = np.zeros_like(self._rate) if ended else velocity_at(self.joints)
        rate = self._rate + np.clip(wanted - self._rate, -JOINT_ACCELERATION * step_s, JOINT_ACCELERATION * step_s)
        self.joints = self.joints + rate * step_s
        if np.abs(rate).max() < AT_REST and (ended or np.abs(wanted).max() == 0.0):
            self._drive = None

    def _advance_task(self, now: float) -> None:
        task = self._tasks[0]
        if task.began is None:
            task.began = now
            task.move.begin(self.joints)
        self.joints = task.move.at(now - task.began, self.joints)
        if now - task.began >= task.move.duration:
            self._tasks.popleft()
            task.ended(0)

    @property
    def fastest(self) -> float:
        """The largest joint speed of the last step, rad/s."""
        return float(np.abs(self._rate).max())

    def _check(self, before: np.ndarray, step_s: float) -> None:
        """Refuse a step out of a joint's range, or one that is faster than the joints go (a straight line near a singularity)."""
        rate = np.abs(self.joints - before) / step_s
        fastest = int(np.argmax(rate))
        if rate[fastest] > JOINT_SPEED * 1.1:
            self.joints = before
            raise MotionFault(ERROR_SPEED, f"joint{fastest + 1}_velocity", float(rate[fastest]), JOINT_SPEED)
        over = np.maximum(self._lowest - self.joints, self.joints - self._highest)
        worst = int(np.argmax(over))
        if over[worst] > 1e-3:
            value = float(self.joints[worst])
            self.joints = before
            limit = float(self._highest[worst] if value > 0 else self._lowest[worst])
            raise MotionFault(ERROR_JOINT_RANGE, f"joint{worst + 1}_position", value, limit)
