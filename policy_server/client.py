"""The robot's side of the policy protocol: connect, ask for a chunk before a deadline, never run a late reply.

Works with Stage's server and with any plain openpi server. Every wait has a deadline; after a time-out the socket is
closed, so that the late reply can never be taken for the answer to a newer question. The client does not reconnect
by itself: another server may be there, so the caller connects again (`Backoff`) and checks the contract again. No
torch in here. Start at `PolicyClient`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from policy_server import API_KEY_VARIABLE
from policy_server.connection_errors import ServerNotReadyError, connection_error, one_line
from policy_server.send_watchdog import SendWatchdog, shut
from policy_server.wire_format import DEADLINE, MAX_MESSAGE_BYTES, REQUEST_ID, SEED, WireFormatError, pack, unpack
from stage_core.errors import ConfigurationError, DeadlineError, DeviceError, MissingDependencyError


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyReply:
    """One chunk and how long each hop took.

    Attributes:
        actions: (H, d) float, as the contract's action says; read-only.
        round_trip_s: From the call to the decoded reply, s.
        server_inference_s: The policy alone, as the server measured it, s; None if it does not say.
        server_queue_s: Waiting for the policy's turn in the server, s; None if it does not say.
        encode_s: Packing the observation, s.
        decode_s: Unpacking the reply, s.
        message: The whole reply.
    """

    actions: np.ndarray
    round_trip_s: float
    server_inference_s: float | None
    server_queue_s: float | None
    encode_s: float
    decode_s: float
    message: dict[str, Any]


class Backoff:
    """How long to wait before the next attempt to connect: doubling up to a limit; `reset` after a success."""

    def __init__(self, first_s: float = 0.2, longest_s: float = 5.0) -> None:
        self.first_s, self.longest_s = first_s, longest_s
        self.reset()

    def reset(self) -> None:
        """Begin again with the shortest wait."""
        self._next = self.first_s

    def next_s(self) -> float:
        """Return the wait before the next attempt, s."""
        wait, self._next = self._next, min(self.longest_s, 2.0 * self._next)
        return wait


class PolicyClient:
    """A connection to one policy server. Use it from one thread; `close` may come from any.

    Attributes:
        metadata: What the server sent at the last `connect`, kept after `close`; empty before.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        api_key: str | None = None,
        *,
        connect_timeout_s: float = 5.0,
        action_key: str | None = None,
        tls: Any = None,
    ) -> None:
        """Remember where the server is; nothing is sent yet.

        Args:
            host: Name or address.
            port: TCP port.
            api_key: Sent as openpi does, in the header `Authorization: Api-Key ...`; None: what STAGE_API_KEY holds, "": none.
            connect_timeout_s: For connecting, and for the server's first frame, s, > 0.
            action_key: Key of the chunk in the reply; None: the contract's, or `actions` with a plain openpi server.
            tls: An `ssl.SSLContext` for wss, or None.

        Raises:
            ConfigurationError: If the port or the time-out is out of range.
        """
        if not 1 <= port <= 65535:
            raise ConfigurationError(f"policy_port is {port}; expected 1 to 65535.")
        if not connect_timeout_s > 0.0:
            raise ConfigurationError(f"connect_timeout_s is {connect_timeout_s} s; expected > 0.")
        self.host, self.port = host, port
        self.connect_timeout_s = connect_timeout_s
        self.metadata: dict[str, Any] = {}
        self._api_key = os.environ.get(API_KEY_VARIABLE, "") if api_key is None else api_key
        self._action_key, self._tls = action_key, tls
        self._connection: Any = None
        self._socket: socket.socket | None = None
        self._watchdog: SendWatchdog | None = None
        self._request_id = 0

    @property
    def url(self) -> str:
        """Where the server is, for messages."""
        return f"{'wss' if self._tls else 'ws'}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def connected(self) -> bool:
        """True between a successful `connect` and a time-out, an error or `close`."""
        return self._connection is not None

    @property
    def speaks_stage(self) -> bool:
        """True if the server takes Stage's optional keys; a plain openpi server does not."""
        return isinstance(self.metadata.get("stage_protocol"), int)

    def connect(self, *, wait_s: float = 0.0) -> dict[str, Any]:
        """Connect and return the server's metadata; an open connection is closed first.

        Args:
            wait_s: How long to keep trying while nothing listens there or the policy warms up, s; 0: one attempt.

        Raises:
            DeviceError: If nothing listens there, the key is refused, or it is no policy server; with the next step.
            DeadlineError: If it takes the connection but does not answer within `connect_timeout_s`.
        """
        give_up, backoff = time.monotonic() + wait_s, Backoff(0.1, 1.0)
        while True:
            try:
                return self._connect_once()
            except ServerNotReadyError:
                left = give_up - time.monotonic()
                if left <= 0.0:
                    raise
                time.sleep(min(left, backoff.next_s()))

    def _connect_once(self) -> dict[str, Any]:
        self.close()
        end = time.monotonic() + self.connect_timeout_s
        try:
            self._open(end)
            frame = self._connection.recv(timeout=max(0.001, end - time.monotonic()))
            if isinstance(frame, str):
                raise DeviceError(f"policy server at {self.url}: {one_line(frame)}")
            self.metadata = unpack(frame)
        except Exception as error:
            self.close()
            raise connection_error(
                error, url=self.url, host=self.host, port=self.port, timeout_s=self.connect_timeout_s, key_sent=bool(self._api_key)
            ) from None
        return self.metadata

    def infer(self, observation: dict[str, Any], deadline_s: float, seed: int | None = None) -> PolicyReply:
        """Return the chunk for an observation.

        Args:
            observation: As the contract says, see `observation.build_observation`.
            deadline_s: Longest wait for everything together, s, > 0.
            seed: Seed of the policy's noise; kept from a plain openpi server, which knows none.

        Raises:
            DeadlineError: If the reply did not come in time; the connection is closed.
            DeviceError: If not connected, the connection is lost, or the policy failed; the connection is closed.
            WireFormatError: If the observation cannot be sent; the connection stays open.
        """
        if self._connection is None:
            raise DeviceError(f"not connected to the policy server at {self.url}. Call connect() first.")
        start = time.monotonic()
        end = start + deadline_s
        message = dict(observation)
        if self.speaks_stage:
            self._request_id += 1
            message[REQUEST_ID] = self._request_id
            message[DEADLINE] = float(deadline_s)
            if seed is not None:
                message[SEED] = int(seed)
        frame = pack(message)
        encoded = time.monotonic()
        try:
            answer = self._exchange(frame, end)
            received = time.monotonic()
            return self._read_reply(answer, start, encoded, received)
        except TimeoutError:
            self.close()
            raise DeadlineError(
                f"policy server at {self.url} did not answer within {deadline_s:g} s; the connection is closed. "
                "Raise the deadline or serve a faster policy."
            ) from None
        except BaseException:  # a reply half read, KeyboardInterrupt too: what is left in the socket belongs to no question
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection at once, without waiting for the server. Idempotent, from any thread."""
        connection, self._connection = self._connection, None
        raw, self._socket = self._socket, None
        watchdog, self._watchdog = self._watchdog, None
        shut(raw)
        if watchdog is not None:
            watchdog.close()
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close_socket() if hasattr(connection, "close_socket") else connection.close()
        if raw is not None:
            raw.close()

    def __enter__(self) -> PolicyClient:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, end: float) -> None:
        """Open the TCP connection, then the websocket on it."""
        try:
            from websockets.sync.client import connect
        except ImportError:
            raise MissingDependencyError("websockets is not installed. Run: pip install 'stage-robotics[robot]'") from None
        # A socket of our own: Nagle off, no proxy from the environment, and the watchdog and `close` can shut it.
        raw = socket.create_connection((self.host, self.port), timeout=max(0.001, end - time.monotonic()))
        self._socket = raw
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connect(
            self.url,
            sock=raw,
            ssl=self._tls,
            server_hostname=self.host if self._tls else None,
            additional_headers={"Authorization": f"Api-Key {self._api_key}"} if self._api_key else None,
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            open_timeout=max(0.001, end - time.monotonic()),
            close_timeout=0.5,
            ping_interval=None,  # openpi's server answers no ping while it compiles its model; our deadlines do better
        )
        self._socket = self._connection.socket  # with TLS another object than the one it was made from
        self._watchdog = SendWatchdog(self._socket)

    def _exchange(self, frame: bytes, end: float) -> bytes | str:
        """Send one frame and return the next one that comes, before `end` on the steady clock."""
        from websockets.exceptions import ConnectionClosed

        connection, watchdog = self._connection, self._watchdog
        if connection is None or watchdog is None:
            raise DeviceError(f"the connection to the policy server at {self.url} was closed meanwhile. Connect again.")
        try:
            with watchdog.until(end):
                connection.send(frame)
            return connection.recv(timeout=max(0.0, end - time.monotonic()))
        except ConnectionClosed as error:
            if time.monotonic() >= end:
                raise TimeoutError from None  # the watchdog shut the socket while the frame was being sent
            reason = f": {one_line(error.rcvd.reason)}" if error.rcvd is not None and error.rcvd.reason else ""
            raise DeviceError(f"policy server at {self.url} closed the connection{reason}. See its log, then connect again.") from None

    def _read_reply(self, answer: bytes | str, start: float, encoded: float, received: float) -> PolicyReply:
        if isinstance(answer, str):
            raise DeviceError(f"policy server at {self.url}: {one_line(answer)}")
        try:
            message = unpack(answer)
        except WireFormatError as error:
            raise DeviceError(f"policy server at {self.url} sent a reply that cannot be read: {error}") from None
        if self.speaks_stage and message.get(REQUEST_ID) != self._request_id:
            raise DeviceError(
                f"policy server at {self.url} answered request {message.get(REQUEST_ID)!r}; expected {self._request_id}. Connect again."
            )
        key = self._action_key or self._contract_action_key()
        actions = message.get(key)
        if not isinstance(actions, np.ndarray) or actions.ndim != 2 or actions.dtype.kind != "f":
            form = f"{actions.dtype} {actions.shape}" if isinstance(actions, np.ndarray) else type(actions).__name__
            raise DeviceError(f"policy server at {self.url}: {key} of the reply is {form}; expected a float array (horizon, dim).")
        if not np.isfinite(actions).all():
            raise DeviceError(f"policy server at {self.url}: {key} of the reply holds NaN or infinity; nothing of it is run.")
        timing = message.get("server_timing")
        timing = timing if isinstance(timing, dict) else {}
        now = time.monotonic()
        return PolicyReply(
            actions=actions,
            round_trip_s=now - start,
            server_inference_s=_seconds(timing.get("infer_ms")),
            server_queue_s=_seconds(timing.get("queue_ms")),
            encode_s=encoded - start,
            decode_s=now - received,
            message=message,
        )

    def _contract_action_key(self) -> str:
        contract = self.metadata.get("contract")
        action = contract.get("action") if isinstance(contract, dict) else None
        key = action.get("key") if isinstance(action, dict) else None
        return key if isinstance(key, str) else "actions"


def _seconds(milliseconds: Any) -> float | None:
    return float(milliseconds) / 1000.0 if isinstance(milliseconds, (int, float)) else None
