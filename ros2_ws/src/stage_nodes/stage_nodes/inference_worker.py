"""Asks the policy server in a thread of its own, so that the control loop never waits for a network. No ROS here.

One request is under way at most. A failed server is tried again with growing pauses; what it answered late is gone,
because the client closes its socket at a time-out (DESIGN 5).
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from policy_server.client import Backoff, PolicyClient, PolicyReply
from stage_core.errors import StageError


@dataclass(frozen=True)
class Request:
    """One observation on its way: `stamp` is t_k on the workcell clock, s."""

    observation: dict[str, Any]
    stamp: float
    episode: int
    sequence: int
    seed: int


@dataclass(frozen=True)
class Answer:
    """A request with its reply, or with the words of its failure."""

    request: Request | None
    reply: PolicyReply | None
    error: str = ""


class InferenceWorker:
    """Owns the client's connection."""

    def __init__(self, client: PolicyClient, *, deadline_s: float) -> None:
        """Serve requests with `client`, each within `deadline_s` seconds."""
        self._client = client
        self._deadline_s = deadline_s
        self._requests: queue.Queue[Request | None] = queue.Queue(maxsize=1)
        self._answers: queue.Queue[Answer] = queue.Queue()
        self._closed = threading.Event()
        self.state = "ready"
        self.busy = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._serve, name="inference", daemon=True)
        self._thread.start()

    def ask(self, request: Request) -> bool:
        """Send a request; return False where one is under way already."""
        if self.busy:
            return False
        self.busy = True
        self._requests.put_nowait(request)
        return True

    def ask_and_wait(self, request: Request) -> Answer:
        """Send a request and wait for its answer (lockstep, where the simulation waits for us)."""
        return self._infer(request)

    def answers(self) -> list[Answer]:
        """Return what has come since the last call."""
        collected = []
        while True:
            try:
                collected.append(self._answers.get_nowait())
            except queue.Empty:
                return collected

    def close(self) -> None:
        """End the thread and the connection."""
        self._closed.set()
        if self._thread is not None:
            if not self.busy:
                self._requests.put(None)
            self._thread.join(timeout=self._deadline_s + 1.0)
        self._client.close()

    def _serve(self) -> None:
        while not self._closed.is_set():
            request = self._requests.get()
            if request is None:
                return
            answer = self._infer(request)
            self._answers.put(answer)
            if answer.reply is None:
                self._reconnect()
            self.busy = False

    def _infer(self, request: Request) -> Answer:
        try:
            self.state = "waiting"
            reply = self._client.infer(request.observation, self._deadline_s, seed=request.seed)
        except StageError as error:
            self.state = "failed"
            return Answer(request, None, str(error))
        self.state = "ready"
        actions = np.asarray(reply.actions)
        if not np.isfinite(actions).all():
            return Answer(request, None, f"the chunk for step {request.sequence} holds NaN or infinity; it is not run. Check the policy.")
        return Answer(request, reply)

    def _reconnect(self) -> None:
        """Connect again; a server that comes back with another contract is refused for good."""
        contract, backoff = self._client.metadata.get("contract"), Backoff()
        while not self._closed.is_set():
            self.state = "connecting"
            try:
                metadata = self._client.connect()
            except StageError as error:
                self._fail(str(error))
                self._closed.wait(backoff.next_s())
                continue
            if metadata.get("contract") == contract:
                self.state = "ready"
                return
            self._fail("the policy server came back with another contract; nothing moves. Restart the policy node to take it.")
            return

    def _fail(self, words: str) -> None:
        self.state = "failed"
        self._answers.put(Answer(None, None, words))
