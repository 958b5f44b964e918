"""How long each hop of the control loop took, from an episode's log. Start at `read_latency`."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

STATE, COMMAND, STATUS = "arm/state", "command/policy", "policy/status"
HOPS = {
    "round_trip": "policy server round trip",
    "server_inference": "of it inference in the server",
    "decode": "of it decoding the reply",
}
ANSWER = "state to command, rendering included, as the recorder heard them"
FIRST_STEPS = 2  # they wait for the source to start and for the renderer to compile its pipeline
STEP = "control step to control step, wall clock"


def read_latency(directory: Path) -> dict[str, dict[str, float]]:
    """Return hop -> {median, p99} in ms; a hop that was not measured is left out.

    The policy node reports the first three for each chunk; the others are differences of arrival times at the recorder,
    one clock in one process.
    """
    from stage_recorder.cdr import message_decoder
    from stage_recorder.records import iterate_messages

    types: dict[str, tuple[str, str]] = {}
    decoders: dict[str, object] = {}
    arrivals: dict[str, dict[tuple[int, int], float]] = {STATE: {}, COMMAND: {}}
    hops: dict[str, list[float]] = {name: [] for name in HOPS}
    chunks = 0
    for file in sorted(directory.glob("*.mcap")):
        for message in iterate_messages(file, types):
            name = "/".join(message.topic.strip("/").split("/")[-2:])
            if name not in (STATE, COMMAND, STATUS):
                continue
            decoder = decoders.setdefault(message.topic, message_decoder(*types[message.topic]))
            content = decoder(message.content)
            if name != STATUS:
                arrivals[name].setdefault((content["episode"], content["sequence"]), message.log_time_ns * 1e-9)
            elif content["chunks"] != chunks:
                chunks = content["chunks"]
                for hop in HOPS:
                    hops[hop].append(content[hop])
    samples = {HOPS[hop]: values for hop, values in hops.items()}
    samples[ANSWER] = [time - arrivals[STATE][key] for key, time in arrivals[COMMAND].items() if key in arrivals[STATE]]
    samples[STEP] = np.diff(sorted(arrivals[STATE].values()))[FIRST_STEPS:].tolist()
    return {name: figures for name, values in samples.items() if (figures := percentiles(values))}


def percentiles(values: list[float]) -> dict[str, float]:
    """Return {median, p99} in ms of finite values in s, empty without any."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return {}
    return {"median": 1e3 * float(np.median(finite)), "p99": 1e3 * float(np.percentile(finite, 99))}
