"""The log of a controller: bounded in memory, whole on disk, counters and extremes for ever."""

from __future__ import annotations

import json
import threading

import numpy as np

from robot_drivers.fake_controllers.command_log import CommandLog


def test_entries_are_a_ring_and_counts_are_not():
    log = CommandLog(capacity=10)
    for number in range(25):
        log.append("tick", number=number)
        log.violation("joint1 velocity", 3.0, 2.0)
    assert [entry["number"] for entry in log.entries("tick")] == list(range(15, 25))
    assert log.counts == {"tick": 25, "violation": 25}
    assert len(log.violations) == 10
    assert log.violations[0]["name"] == "joint1 velocity"


def test_extremes_keep_the_largest_until_reset():
    log = CommandLog()
    for value in (-5.0, 1.0, 3.0, 2.0):
        log.measure("speed", value)
    assert log.extremes == {"speed": 3.0}
    log.reset_extremes()
    log.measure("speed", -1.0)
    assert log.extremes == {"speed": -1.0}


def test_file_holds_every_entry_as_json_even_after_the_ring_forgot(tmp_path):
    path = tmp_path / "log.jsonl"
    log = CommandLog(path, capacity=1)
    log.append("first", vector=np.array([1.0, 2.0]), number=np.float64(3.0), raw=b"\x01\xff")
    log.append("second")
    log.violation("jerk", 6000.0, 5000.0, joint=2)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["first", "second", "violation"]
    assert (lines[0]["vector"], lines[0]["number"], lines[0]["raw"]) == ([1.0, 2.0], 3.0, "01ff")
    assert lines[2]["joint"] == 2
    log.close()
    log.append("third")  # after closing only in memory
    assert len(path.read_text().splitlines()) == 3
    assert log.entries()[-1]["kind"] == "third"


def test_times_are_steady_and_in_order():
    log = CommandLog()
    for _ in range(5):
        log.append("tick")
    times = [entry["time"] for entry in log.entries()]
    assert times == sorted(times)


def test_many_threads_lose_nothing():
    log = CommandLog()
    threads = [threading.Thread(target=lambda: [log.append("tick") or log.count("fast", 2) for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.counts == {"tick": 4000, "fast": 8000}


def test_what_is_handed_out_is_a_copy():
    log = CommandLog()
    log.append("tick", number=1)
    log.entries()[0]["number"] = 2
    log.extremes["speed"] = 9.0
    assert log.entries()[0]["number"] == 1
    assert log.extremes == {}
