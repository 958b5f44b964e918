"""Real servers on free ports of the loopback, each in a thread of its own, for the tests of the policy protocol."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading

import msgpack
import numpy as np
import pytest
from openpi_client import msgpack_numpy
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from policy_server.models.scripted import ScriptedPolicy
from policy_server.observation import example_observation
from policy_server.server import PolicyServer


@pytest.fixture(autouse=True)
def quiet_websockets():
    """Refused handshakes are expected here; the library's tracebacks would hide a real one."""
    logging.getLogger("websockets").setLevel(logging.CRITICAL)


@pytest.fixture
def start_server():
    """Return a function that serves a policy and returns the ready `PolicyServer`; all are stopped at the end."""
    with contextlib.ExitStack() as stack:

        def start(policy=None, **options) -> PolicyServer:
            server = PolicyServer(policy or ScriptedPolicy(), port=0, **options)
            ready = threading.Event()
            thread = threading.Thread(target=server.serve_forever, kwargs={"on_ready": ready.set}, daemon=True)
            thread.start()
            assert ready.wait(20.0)
            stack.callback(thread.join, 20.0)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def observation():
    """An observation of the scripted policy, with the tool at (0.46, 0, 0.28) m."""
    content = example_observation(ScriptedPolicy().contract)
    content["observation/state"][:] = [0.46, 0.0, 0.28, 1.0, 0.0, 0.0, 0.0, 0.5]
    content["prompt"] = "go round"
    return content


class GatedPolicy(ScriptedPolicy):
    """The scripted policy, but every call after the warm-up waits for the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.seeds: list[int | None] = []

    def warm_up(self) -> None:
        """Nothing to warm up."""

    def infer(self, observation, *, seed=None):
        self.seeds.append(seed)
        self.entered.set()
        assert self.gate.wait(20.0)
        return super().infer(observation, seed=seed)


@pytest.fixture
def gated_policy():
    policy = GatedPolicy()
    yield policy
    policy.gate.set()


class PlainServer:
    """A plain openpi server, from the description of the wire: metadata first, then one reply per observation in order.

    Attributes:
        received: Every observation, as it came.
        gate: A reply waits for it.
        answered: Set once the first reply is out (or could not be sent).
    """

    def __init__(self, metadata: dict, failure: str) -> None:
        self.received: list[dict] = []
        self.gate = threading.Event()
        self.gate.set()
        self.answered = threading.Event()
        self._metadata, self._failure = metadata, failure
        self.server = serve(self._handle, "127.0.0.1", 0, compression=None, max_size=None)
        self.port = self.server.socket.getsockname()[1]

    def _handle(self, connection) -> None:
        connection.send(msgpack_numpy.packb(self._metadata))
        with contextlib.suppress(ConnectionClosed):
            for frame in connection:
                observation = msgpack_numpy.unpackb(frame)
                self.received.append(observation)
                if self._failure:
                    connection.send(self._failure)
                    connection.close(1011, "Internal server error. Traceback included in previous frame.")
                    return
                self.gate.wait(20.0)
                actions = np.full((10, 8), observation["value"], np.float64)
                try:
                    connection.send(msgpack_numpy.packb({"actions": actions, "server_timing": {"infer_ms": 1.5}}))
                finally:
                    self.answered.set()


@pytest.fixture
def start_plain_server():
    """Return a function that starts a `PlainServer`; all are stopped at the end."""
    servers = []

    def start(metadata=None, failure="") -> PlainServer:
        plain = PlainServer(metadata or {}, failure)
        thread = threading.Thread(target=plain.server.serve_forever, daemon=True)
        thread.start()
        servers.append((plain, thread))
        return plain

    yield start
    for plain, thread in servers:
        plain.gate.set()
        plain.server.shutdown()
        thread.join(20.0)


@pytest.fixture
def free_port():
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def raw_frame():
    """Return a function from plain Python values to a msgpack frame, without numpy support."""
    return msgpack.packb
