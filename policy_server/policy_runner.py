"""One policy, one worker thread, many connections: reads requests, runs them in turn, packs the replies.

Kept apart from the sockets in `server`. Nothing in here trusts what came over the wire, nor that a policy keeps its
contract. Start at `PolicyRunner.answer`.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from policy_server.observation import check_observation
from policy_server.policy import Policy
from policy_server.wire_format import DEADLINE, REQUEST_ID, SEED, pack, unpack
from stage_core.errors import ConfigurationError, DeadlineError, StageError


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """One observation on its way to the policy.

    Attributes:
        observation: The contract's keys, checked.
        identifier: The client's number for it; None from openpi's own client.
        seed: Of the policy's noise; None: as the policy likes.
        arrived: When its frame was there, steady clock, s.
        deadline: When its sender stops waiting, steady clock, s; None: never.
    """

    observation: dict[str, Any]
    identifier: int | None
    seed: int | None
    arrived: float
    deadline: float | None


class PolicyRunner:
    """Runs one policy for all connections, one request at a time, off the event loop.

    Attributes:
        policy: What is served.
        requests: Answered so far.
        inference_s: Time spent in the policy so far, s.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.requests = 0
        self.inference_s = 0.0
        self._accepts_seed = "seed" in inspect.signature(policy.infer).parameters
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policy")
        self._turn = asyncio.Lock()  # fair: connections are served in the order they asked

    async def warm_up(self) -> None:
        """Run the policy's warm-up in the thread that will serve.

        Raises:
            StageError: If it fails, in one line.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._worker, self.policy.warm_up)
        except Exception as error:
            raise StageError(f'policy "{self.policy.contract.policy_name}" failed its warm-up: {in_one_line(error)}') from error

    def read(self, frame: bytes | str) -> Request:
        """Return the request in a frame, its observation checked against the contract. Raises StageError in words."""
        arrived = time.monotonic()
        message = unpack(frame)
        limit = message.get(DEADLINE)
        if limit is not None and not (isinstance(limit, (int, float)) and limit > 0):
            raise ConfigurationError(f"{DEADLINE} is {repr(limit)[:40]}; expected a number of seconds > 0.")
        return Request(
            observation=check_observation(self.policy.contract, message),
            identifier=_optional_int(message, REQUEST_ID),
            seed=_optional_int(message, SEED),
            arrived=arrived,
            deadline=None if limit is None else arrived + float(limit),
        )

    async def answer(self, take: Callable[[], Request]) -> bytes:
        """Return the reply's frame.

        Args:
            take: Gives the request when the policy's turn has come, so that a newer one can replace it while it waits.

        Raises:
            StageError: If the deadline is over, or the policy broke its contract.
            Exception: Whatever the policy raised.
        """
        async with self._turn:
            return await asyncio.get_running_loop().run_in_executor(self._worker, self._infer, take())

    def shut_down(self) -> None:
        """Let a running inference end by itself; start no other."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _infer(self, request: Request) -> bytes:
        """Run the policy on one request; in the worker thread."""
        started = time.monotonic()
        if request.deadline is not None and started > request.deadline:
            raise DeadlineError(f"the request waited {started - request.arrived:.2f} s for its turn, longer than its deadline; not run.")
        options = {"seed": request.seed} if self._accepts_seed else {}
        reply = dict(self.policy.infer(request.observation, **options))
        ended = time.monotonic()
        self.requests += 1
        self.inference_s += ended - started
        self._check_actions(reply)
        timing = dict(reply.get("server_timing") or {})
        timing.update(infer_ms=1000.0 * (ended - started), queue_ms=1000.0 * (started - request.arrived))
        reply["server_timing"] = timing
        if request.identifier is not None:
            reply[REQUEST_ID] = request.identifier
        return pack(reply)

    def _check_actions(self, reply: dict[str, Any]) -> None:
        """Refuse a chunk that is not what the contract promised, before a robot sees it."""
        contract = self.policy.contract
        key, name = contract.action.key, contract.policy_name
        if key not in reply:
            raise StageError(f'policy "{name}" gave no {key}. It gave: {", ".join(map(str, reply)) or "nothing"}.')
        actions = np.asarray(reply[key])
        expected = (contract.horizon, contract.action.dim)
        if actions.shape != expected or actions.dtype.kind != "f":
            raise StageError(f'policy "{name}" gave {key} {actions.dtype} {actions.shape}; its contract says float {expected}.')
        if not np.isfinite(actions).all():
            raise StageError(f'policy "{name}" gave NaN or infinity in {key}.')
        reply[key] = actions.astype(np.float32, copy=False)


def _optional_int(message: dict[str, Any], key: str) -> int | None:
    value = message.get(key)
    if isinstance(value, np.integer):
        value = value.item()
    if value is None or (type(value) is int and 0 <= value < 2**63):
        return value
    raise ConfigurationError(f"{key} is {repr(value)[:40]}; expected a whole number >= 0.")


def in_one_line(error: BaseException) -> str:
    """Return what a client is told: a StageError's text, otherwise kind and text; never a traceback."""
    words = " ".join(str(error).split())[:500]
    return words if isinstance(error, StageError) else f"{type(error).__name__}: {words} (details in the server's log)"
