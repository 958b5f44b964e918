"""Kill -9 at random instants of a process that records: how old is the oldest message that is lost?

The child writes numbered messages through `EpisodeWriter` and tells each one, with its time, on a pipe once `write` has
returned. The parent kills it, repairs, reads the log with the mcap library, and compares with what the pipe said. Start at `run`.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIMIT_S = 0.5
# Only what the child needs: a type without dependencies, so that no ROS has to be installed to measure.
DEFINITION = "uint32 number\nuint8[] data"
STREAMS = {"busy": (1 / 200, 20_000), "quiet": (1 / 3, 16)}  # topic -> period in s, payload in bytes


@dataclass
class Killed:
    """What one kill cost.

    Attributes:
        told: Messages the child had written before the kill.
        lost: Those that are not readable after the repair.
        oldest_lost_s: Age of the oldest lost message at the kill, s; 0 without a loss.
        broken: What is wrong with the repaired log, in words; empty when it is whole.
        repair_s: Time of the repair, s.
    """

    told: int
    lost: int
    oldest_lost_s: float
    broken: str
    repair_s: float


@dataclass
class Child:
    """A recording process and what its pipe told: topic, number -> monotonic time in s."""

    directory: Path
    process: subprocess.Popen[str]
    told: dict[tuple[str, int], float] = field(default_factory=dict)
    first: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)

    def follow(self) -> None:
        """Read the pipe until the child is gone; a line that the kill cut short does not count."""
        for line in self.process.stdout:
            words = line.split()
            if line.startswith("closing"):
                self.closing.set()
            elif line.endswith("\n") and len(words) == 3:
                self.told[(words[0], int(words[1]))] = float(words[2])
                self.first.set()
        self.first.set()
        self.closing.set()


def payload(number: int, size: int) -> bytes:
    """Return the CDR bytes of message `number`; the content follows from the number, so the reader can check it."""
    data = hashlib.sha256(str(number).encode()).digest() * (size // 32 + 1)
    return b"\x00\x01\x00\x00" + struct.pack("<II", number, size) + data[:size]


def record(directory: Path, close_after: int) -> None:
    """The child: write both streams for ever, or close after `close_after` messages of the busy one."""
    from stage_recorder.schema import new_metadata
    from stage_recorder.writer import EpisodeWriter

    writer = EpisodeWriter(directory, new_metadata(directory.name, task="Kill"))
    for topic in STREAMS:
        writer.add_topic(topic, "stage_benchmark/msg/Numbered", DEFINITION)
    due = dict.fromkeys(STREAMS, time.monotonic())
    number = dict.fromkeys(STREAMS, 0)
    while not close_after or number["busy"] < close_after:
        topic = min(due, key=due.get)
        time.sleep(max(0.0, due[topic] - time.monotonic()))
        now = time.time_ns()
        writer.write(topic, payload(number[topic], STREAMS[topic][1]), now, now)
        os.write(1, f"{topic} {number[topic]} {time.monotonic():.6f}\n".encode())
        number[topic] += 1
        due[topic] += STREAMS[topic][0]
    os.write(1, b"closing\n")
    writer.close({"value": "success", "by": "environment"})


def start(directory: Path, *, close_after: int = 0) -> Child:
    """Start a recording process that writes to `directory`."""
    command = [sys.executable, str(Path(__file__).resolve()), str(directory), str(close_after)]
    child = Child(directory, subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    threading.Thread(target=child.follow, daemon=True).start()
    return child


def kill(child: Child) -> float:
    """Kill -9 and wait for the end of the pipe; returns the monotonic time of the kill, s."""
    moment = time.monotonic()
    os.kill(child.process.pid, signal.SIGKILL)
    child.process.wait()
    return moment


def examine(child: Child, moment: float) -> Killed:
    """Repair what was killed at `moment` and compare it with what the pipe told."""
    from stage_recorder.repair import repair_episode

    begun = time.monotonic()
    repair_episode(child.directory)
    repair_s = time.monotonic() - begun
    found, broken = read_numbers(child.directory)
    lost = [entry for entry in child.told if entry not in found]
    oldest = max((moment - child.told[entry] for entry in lost), default=0.0)
    return Killed(len(child.told), len(lost), oldest, broken, repair_s)


def read_numbers(directory: Path) -> tuple[set[tuple[str, int]], str]:
    """Return (topic, number) of every message in an episode as the mcap library reads it, and what is wrong with it in words."""
    from mcap.reader import make_reader

    from stage_recorder.schema import mcap_path, read_metadata

    found: list[tuple[str, int]] = []
    broken = "" if read_metadata(directory)["state"] == "saved" else "not marked saved"
    with open(mcap_path(directory), "rb") as file:
        reader = make_reader(file, validate_crcs=True)
        statistics = reader.get_summary().statistics
        for _, channel, message in reader.iter_messages():
            topic, (number, size) = channel.topic.strip("/"), struct.unpack_from("<II", message.data, 4)
            found.append((topic, number))
            if message.data != payload(number, size):
                broken = f"message {number} of {topic} has other bytes"
    if statistics.message_count != len(found) or len(set(found)) != len(found):
        broken = f"{len(found)} messages, {len(set(found))} different ones, {statistics.message_count} in the index"
    return set(found), broken


def kill_while_recording(root: Path, repetitions: int, seed: int, *, together: int = 4) -> list[Killed]:
    """Kill `repetitions` recorders 0.2 to 1.5 s after their first message, `together` of them at a time."""
    generator = random.Random(seed)
    results: list[Killed] = []
    while len(results) < repetitions:
        batch = [start(root / f"killed_{len(results) + i:03d}") for i in range(min(together, repetitions - len(results)))]
        moments: dict[int, float] = {}
        waits = sorted((generator.uniform(0.2, 1.5), i) for i in range(len(batch)))
        for child in batch:
            child.first.wait(60.0)
        begun = time.monotonic()
        for wait, i in waits:
            time.sleep(max(0.0, begun + wait - time.monotonic()))
            moments[i] = kill(batch[i])
        results += [examine(child, moments[i]) for i, child in enumerate(batch)]
    return results


def kill_while_closing(root: Path, repetitions: int, seed: int) -> list[Killed]:
    """Kill recorders 0 to 60 ms after they began to close: the instants when files are renamed and indexes written."""
    generator = random.Random(seed)
    results = []
    for i in range(repetitions):
        child = start(root / f"closing_{i:03d}", close_after=60)
        child.closing.wait(60.0)
        time.sleep(generator.uniform(0.0, 0.06))
        results.append(examine(child, kill(child)))
    return results


def run(quick: bool) -> dict[str, Any]:
    """Return the age of the oldest message that any kill lost, s; the limit is 0.5 s."""
    with tempfile.TemporaryDirectory(prefix="stage_kill_") as folder:
        recording = kill_while_recording(Path(folder), 12 if quick else 200, seed=1)
        closing = kill_while_closing(Path(folder), 4 if quick else 40, seed=2)
    results = recording + closing
    oldest = max(result.oldest_lost_s for result in results)
    broken = [result.broken for result in results if result.broken]
    silent = sum(result.told == 0 for result in results)
    return {
        "value": round(oldest, 3),
        "limit": LIMIT_S,
        "passed": oldest < LIMIT_S and not broken and not silent,
        "details": {
            "kills": len(recording),
            "kills_while_closing": len(closing),
            "messages": sum(result.told for result in results),
            "lost": sum(result.lost for result in results),
            "lost_while_closing": sum(result.lost for result in closing),
            "broken": broken,
            "recorders_without_a_message": silent,
            "slowest_repair_s": round(max(result.repair_s for result in results), 3),
            "unit": "s, age of the oldest lost message at the kill",
        },
    }


if __name__ == "__main__":
    record(Path(sys.argv[1]), int(sys.argv[2]))
