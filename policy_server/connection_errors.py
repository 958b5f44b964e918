"""What went wrong between robot and policy server, in one line with the next step. Start at `connection_error`."""

from __future__ import annotations

import socket

from policy_server import API_KEY_VARIABLE
from policy_server.wire_format import WireFormatError
from stage_core.errors import DeadlineError, DeviceError, StageError


class ServerNotReadyError(DeviceError):
    """Nothing listens there yet, or the policy is still warming up: worth another attempt."""


def connection_error(error: Exception, *, url: str, host: str, port: int, timeout_s: float, key_sent: bool) -> StageError:
    """Return the error to raise for whatever went wrong while connecting.

    Args:
        error: What was raised.
        url: Of the server, for the text.
        host: As the user wrote it.
        port: TCP port.
        timeout_s: How long an answer was waited for, s.
        key_sent: True if an API key was sent.
    """
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, WireFormatError):
        return DeviceError(f"{url} is not a policy server: {error} Check policy_host and the port.")
    if isinstance(error, StageError):
        return error
    if isinstance(error, ConnectionRefusedError):
        return ServerNotReadyError(f"policy server at {url} is not running. Start it: python -m policy_server --policy NAME --port {port}")
    if isinstance(error, TimeoutError):
        return DeadlineError(
            f"policy server at {url} did not answer within {timeout_s:g} s. Is it still loading its model, or is another program on that port?"
        )
    if isinstance(error, socket.gaierror):
        return DeviceError(f"policy_host is {host!r}, which has no address. Check its spelling and the network.")
    if status in (401, 403):
        sent = "The API key was refused" if key_sent else "It asks for an API key and none was sent"
        return DeviceError(f"policy server at {url}: {sent} ({status}). Set the same {API_KEY_VARIABLE} on both sides.")
    if status == 503:
        return ServerNotReadyError(f"policy server at {url} is still warming up (503). Try again in a few seconds.")
    if status is not None:
        return DeviceError(f"{url} answered {status} and is not a policy server. Check policy_host and the port.")
    words = one_line(str(error)) or type(error).__name__
    return DeviceError(f"cannot talk to a policy server at {url}: {words}. Check policy_host and the port.")


def one_line(text: str) -> str:
    """Return the line of a server's error text that says what happened: with a traceback, as openpi sends, the last."""
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return lines[-1][:500] if lines else ""
