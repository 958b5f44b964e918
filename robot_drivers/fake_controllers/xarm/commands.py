"""What every command handler gets and gives: the client that asked, the way to refuse, and the checks they share.

A handler is `handler(machine, data, client)` and returns the reply's data. Start at `Client`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .messages import Request, are_finite, feedback, floats

if TYPE_CHECKING:
    from .machine import Machine


class InvalidParameters(Exception):
    """The data is of the right size, but its values mean nothing: warning 12 and nothing is done."""


class NotSimulated(Exception):
    """A true controller has this command; this one does not do it, and says so in the log."""


@dataclass
class Client:
    """One connection to the control port."""

    send: Callable[[bytes], None]
    name: str = ""
    feedback_kinds: int = 0  # which unasked packets it wants, as it asked for them
    request: Request = field(default_factory=lambda: Request(0, 0, 0, b""))

    def teller(self, kind: int, now_us: Callable[[], int], task: int = 0) -> Callable[[int], None]:
        """Return what tells this client the result of the present request, if it wants that kind of packet."""
        request = self.request
        if not self.feedback_kinds & kind:
            return lambda result: None

        def tell(result: int) -> None:
            self.send(
                feedback(
                    request.transaction,
                    request.protocol,
                    kind=kind,
                    function=request.function,
                    task=task,
                    result=result,
                    microseconds=now_us(),
                )
            )

        return tell


Handler = Callable[["Machine", bytes, Client], bytes]


def finite_floats(data: bytes, count: int) -> list[float]:
    """Return the first `count` floats of `data`.

    Raises:
        InvalidParameters: If one is NaN or infinite.
    """
    values = floats(data, count)
    if not are_finite(values):
        raise InvalidParameters
    return values
