"""The policy server: openpi's websocket protocol, with inference off the event loop and errors in words.

One worker thread runs the policy, for all connections in turn; the event loop stays free for health checks and
pings. A frame that cannot be read costs its sender the connection and nobody else anything. Start at `PolicyServer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import http
import ipaddress
import logging
import signal
import socket
import time
from typing import Any

from policy_server.policy import Policy
from policy_server.policy_runner import PolicyRunner, Request, in_one_line
from policy_server.wire_format import MAX_MESSAGE_BYTES, pack
from stage_core.errors import ConfigurationError, MissingDependencyError, StageError

logger = logging.getLogger(__name__)

STAGE_PROTOCOL = 1


class PolicyServer:
    """Serves one policy until `stop`."""

    def __init__(
        self,
        policy: Policy,
        host: str = "127.0.0.1",
        port: int = 8000,
        api_key: str | None = None,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        tls: Any = None,
    ) -> None:
        """Check the settings; nothing listens yet.

        Args:
            policy: What to serve.
            host: Address to listen on; anything but loopback needs an API key.
            port: TCP port; 0 takes a free one, see `port` after `start`.
            api_key: Key that clients must send; None: no key is asked for.
            max_message_bytes: Larger frames close their connection.
            tls: An `ssl.SSLContext` for wss, or None.

        Raises:
            ConfigurationError: If the port is out of range, or another machine could reach a server without a key.
        """
        if not 0 <= port <= 65535:
            raise ConfigurationError(f"--port is {port}; expected 0 to 65535.")
        if not api_key and not is_loopback(host):
            raise ConfigurationError(
                f"--host is {host}, which other machines can reach, and there is no API key. "
                "Set STAGE_API_KEY (or --api-key), or listen on 127.0.0.1."
            )
        self.host, self.port = host, port
        self.ready = False
        self.runner = PolicyRunner(policy)
        self._api_key, self._tls = api_key, tls
        self._max_message_bytes = max_message_bytes
        self._connections = self._failures = 0
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        contract = policy.contract
        self._metadata = pack(
            {
                "stage_protocol": STAGE_PROTOCOL,
                "policy_name": contract.policy_name,
                "contract": contract.to_dict(with_observation=True),
            }
        )

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"{'wss' if self._tls else 'ws'}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def serve_forever(self, *, on_ready: Any = None) -> None:
        """Listen, warm up, then serve until `stop`, SIGINT or SIGTERM.

        Args:
            on_ready: Called without arguments once clients are served.

        Raises:
            ConfigurationError: If the address cannot be listened on.
            StageError: If the policy fails its warm-up.
        """
        asyncio.run(self._serve(on_ready))

    def stop(self) -> None:
        """End `serve_forever`; from any thread. Idempotent."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stop.set)

    async def _serve(self, on_ready: Any) -> None:
        try:
            from websockets.asyncio.server import serve
        except ImportError:
            raise MissingDependencyError("websockets is not installed. Run: pip install 'stage-robotics[server]'") from None
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._install_signal_handlers()
        try:
            server = await serve(
                self._handle,
                self.host,
                self.port,
                ssl=self._tls,
                process_request=self._process_request,
                compression=None,
                max_size=self._max_message_bytes,
                max_queue=4,
                open_timeout=10,
                close_timeout=1,
            )
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {self.host}:{self.port}: {error.strerror or error}. Stop the other program or choose another --port."
            ) from None
        async with server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            if await self._warm_up():
                self.ready = True
                if on_ready is not None:
                    on_ready()
                await self._stop.wait()
            self.ready = False
        self.runner.shut_down()

    def _install_signal_handlers(self) -> None:
        """SIGINT and SIGTERM end the server cleanly; in another thread than the main one there are no signals."""
        assert self._loop is not None and self._stop is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                self._loop.add_signal_handler(number, self._stop.set)

    async def _warm_up(self) -> bool:
        """Run the policy once; returns False if the server was stopped meanwhile."""
        assert self._stop is not None
        start = time.monotonic()
        warming = asyncio.create_task(self.runner.warm_up())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({warming, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not warming.done():
            warming.cancel()
            return False
        warming.result()
        logger.info("warm-up took %.2f s", time.monotonic() - start)
        return True

    def _process_request(self, connection: Any, request: Any) -> Any:
        """Answer health checks, and refuse who has no key, before there is a websocket."""
        path = request.path.split("?")[0]
        if path == "/healthz":
            if self.ready:
                return connection.respond(http.HTTPStatus.OK, "OK\n")
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "warming up\n")
        if self._api_key:
            given = request.headers.get_all("Authorization")
            expected = f"Api-Key {self._api_key}".encode()
            if len(given) != 1 or not hmac.compare_digest(given[0].encode("utf-8", "surrogateescape"), expected):
                logger.warning("connection from %s refused: %s", connection.remote_address, "wrong API key" if given else "no API key")
                return connection.respond(http.HTTPStatus.UNAUTHORIZED, "the API key is missing or wrong\n")
        if path == "/metrics":
            return connection.respond(http.HTTPStatus.OK, self._metrics())
        if not self.ready:
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "warming up\n")
        return None

    def _metrics(self) -> str:
        """Return counters in Prometheus' text form."""
        rows = (
            ("ready", "gauge", int(self.ready)),
            ("connections", "gauge", self._connections),
            ("requests_total", "counter", self.runner.requests),
            ("failures_total", "counter", self._failures),
            ("inference_seconds_total", "counter", f"{self.runner.inference_s:.6f}"),
        )
        return "".join(f"# TYPE policy_server_{name} {kind}\npolicy_server_{name} {value}\n" for name, kind, value in rows)

    async def _handle(self, connection: Any) -> None:
        """Serve one connection until it closes or fails."""
        from websockets.exceptions import ConnectionClosed

        raw = connection.transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        logger.info("connection from %s opened", connection.remote_address)
        slot = _Slot()
        tasks: list[asyncio.Task[None]] = []
        self._connections += 1
        try:
            await connection.send(self._metadata)
            tasks = [asyncio.create_task(self._read(connection, slot)), asyncio.create_task(self._reply(connection, slot))]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except ConnectionClosed:
            pass
        except Exception as error:
            await self._refuse(connection, error)
        finally:
            self._connections -= 1
            for task in tasks:
                task.cancel()
            logger.info("connection from %s closed", connection.remote_address)

    async def _refuse(self, connection: Any, error: Exception) -> None:
        """Tell a client in one line why its connection ends; the traceback of a fault goes to the log alone."""
        from websockets.exceptions import ConnectionClosed

        words = in_one_line(error)
        self._failures += 1
        if isinstance(error, StageError):
            logger.warning("connection from %s failed: %s", connection.remote_address, words)
        else:
            logger.error("connection from %s failed: %s", connection.remote_address, words, exc_info=error)
        with contextlib.suppress(ConnectionClosed):
            await connection.send(words)
            await connection.close(1011, "see the text frame before this one")

    async def _read(self, connection: Any, slot: _Slot) -> None:
        """Put the requests of one connection into its slot; also notices at once when the connection closes."""
        while True:
            await slot.put(self.runner.read(await connection.recv()))

    async def _reply(self, connection: Any, slot: _Slot) -> None:
        """Answer what is in the slot, for ever."""
        while True:
            await slot.filled.wait()
            await connection.send(await self.runner.answer(slot.take))


class _Slot:
    """Holds the one request of a connection that waits for the policy's turn.

    A newer numbered request takes the place of an older one, which is never answered: its sender has given it up.
    openpi's client counts replies, so its requests wait for one another, and TCP makes the sender wait in its turn.
    """

    def __init__(self) -> None:
        self.filled = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()
        self._request: Request | None = None

    async def put(self, request: Request) -> None:
        waiting = self._request
        if waiting is None or waiting.identifier is None or request.identifier is None:
            await self._free.wait()
        self._request = request
        self._free.clear()
        self.filled.set()

    def take(self) -> Request:
        request, self._request = self._request, None
        assert request is not None, "take() only follows filled.wait()"
        self.filled.clear()
        self._free.set()
        return request


def is_loopback(host: str) -> bool:
    """Return True if only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
