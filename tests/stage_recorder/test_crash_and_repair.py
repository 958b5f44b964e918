"""What a crash, a full disk and a wrong folder leave behind."""

import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from recorded_logs import STEP_NS, Log, lockstep_log, write_step

from stage_core.errors import StageError
from stage_recorder.reader import list_episodes, read_episode
from stage_recorder.records import iterate_messages
from stage_recorder.repair import repair_episode, repair_interrupted
from stage_recorder.schema import EpisodeError, mcap_path, new_episode_directory, new_metadata, read_metadata
from stage_recorder.writer import EpisodeWriter

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from benchmarks import kill_recorder  # noqa: E402

DEFINITION = kill_recorder.DEFINITION


def fingerprint(directory: Path) -> dict[str, tuple[str, int]]:
    """Return file -> (SHA-256, time of the last change) of everything below a directory."""
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    return {path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in files}


def interrupted_copy(log: Log, target: Path) -> Path:
    """Return a copy of an episode as a crash would leave it now: the writer's lock is not copied with the files."""
    deadline = time.monotonic() + 5.0
    while sum(1 for _ in iterate_messages(mcap_path(log.directory))) < log.writer.messages and time.monotonic() < deadline:
        time.sleep(0.01)
    directory = target / log.directory.name
    shutil.copytree(log.directory, directory)
    return directory


def test_twenty_kills_lose_nothing_older_than_half_a_second(tmp_path):
    saved = lockstep_log(tmp_path, steps=5).close()
    before = fingerprint(saved)
    results = kill_recorder.kill_while_recording(tmp_path, 16, seed=int(time.time()), together=8)
    results += kill_recorder.kill_while_closing(tmp_path, 4, seed=int(time.time()))
    assert max(result.oldest_lost_s for result in results) < 0.5
    assert [result.broken for result in results] == [""] * 20
    assert min(result.told for result in results) > 0
    assert repair_interrupted(tmp_path) == []
    assert fingerprint(saved) == before


def test_a_log_cut_at_any_byte_is_repaired_to_a_prefix(tmp_path):
    log, generator = Log(tmp_path / "original"), np.random.default_rng(0)
    for sequence in range(6):
        write_step(log, generator, sequence, stamp_ns=10**9 + sequence * STEP_NS)
        time.sleep(0.03)  # so that the messages lie in several chunks
    directory = interrupted_copy(log, tmp_path / "copy")
    content = mcap_path(directory).read_bytes()
    whole = [(message.topic, bytes(message.content)) for message in iterate_messages(mcap_path(directory))]
    assert len(whole) == log.writer.messages
    from mcap.reader import make_reader

    metadata = (directory / "episode.json").read_text()
    cuts = {0, 4, 8, 9, len(content), *random.Random(1).sample(range(len(content)), 60)}
    lengths = []
    for cut in sorted(cuts):
        mcap_path(directory).write_bytes(content[:cut] + b"\0" * (cut % 3 * 100))  # a power cut may leave zeros behind
        (directory / "episode.json").write_text(metadata)
        assert repair_episode(directory) is True
        with open(mcap_path(directory), "rb") as file:
            reader = make_reader(file, validate_crcs=True)
            assert len(list(reader.iter_messages())) == reader.get_summary().statistics.message_count
        left = [(message.topic, bytes(message.content)) for message in iterate_messages(mcap_path(directory))]
        assert left == whole[: len(left)]
        lengths.append(len(left))
    assert lengths == sorted(lengths)
    assert lengths[-1] == len(whole)
    log.close()


def test_a_repaired_episode_reads_like_a_saved_one_and_says_interrupted(tmp_path):
    log = lockstep_log(tmp_path / "original", steps=8)
    directory = interrupted_copy(log, tmp_path / "copy")
    unrepaired = read_episode(directory)
    assert unrepaired.metadata["state"] == "recording"
    assert repair_interrupted(tmp_path / "copy") == [directory]
    repaired, saved = read_episode(directory), read_episode(log.close())
    for episode in (unrepaired, repaired):
        assert np.array_equal(episode.actions, saved.actions)
        assert np.array_equal(episode.images["base"], saved.images["base"])
        assert np.array_equal(episode.stages, saved.stages)
    assert repaired.metadata["flags"] == ["interrupted"]
    assert repaired.metadata["outcome"]["value"] == "unknown"
    assert repaired.metadata["cameras"] == saved.metadata["cameras"]
    assert repaired.metadata["counts"]["topics"] == saved.metadata["counts"]["topics"]
    import rosbags.highlevel as rosbags

    with rosbags.AnyReader([directory]) as bag:
        assert bag.message_count == sum(map(len, log.written.values()))


def test_repair_twice_changes_nothing_the_second_time(tmp_path):
    log = lockstep_log(tmp_path / "original", steps=3)
    directory = interrupted_copy(log, tmp_path / "copy")
    log.close()
    assert repair_interrupted(tmp_path / "copy") == [directory]
    before = fingerprint(directory)
    assert repair_interrupted(tmp_path / "copy") == []
    assert fingerprint(directory) == before


def test_repair_leaves_an_episode_alone_that_is_being_recorded(tmp_path):
    log = lockstep_log(tmp_path, steps=3)
    assert repair_interrupted(tmp_path) == []
    assert read_metadata(log.directory)["state"] == "recording"
    assert len(read_episode(log.close())) == 3


def test_a_single_message_is_on_the_disk_within_half_a_second(tmp_path):
    log = Log(tmp_path)
    write_step(log, np.random.default_rng(0), 0, stamp_ns=10**9)
    begun = time.monotonic()
    while sum(1 for _ in iterate_messages(mcap_path(log.directory))) < log.writer.messages:
        assert time.monotonic() - begun < 0.5
        time.sleep(0.005)
    log.close()


def test_closing_twice_is_harmless_and_later_messages_are_refused(tmp_path):
    log = lockstep_log(tmp_path, steps=2)
    directory = log.close()
    before = fingerprint(directory)
    assert log.writer.close({"value": "failure"}) == directory
    assert fingerprint(directory) == before
    with pytest.raises(EpisodeError, match="is closed"):
        log.writer.write("arm/state", b"\0\1\0\0", 1, 1)


def test_a_saved_episode_is_never_overwritten(tmp_path):
    directory = lockstep_log(tmp_path, steps=2).close()
    before = fingerprint(directory)
    with pytest.raises(EpisodeError, match="holds an episode already"):
        EpisodeWriter(directory, new_metadata(directory.name, task="PushCube"))
    assert fingerprint(directory) == before


def test_two_episodes_in_the_same_second_get_different_directories(tmp_path):
    names = {new_episode_directory(tmp_path, "PushCube").name for _ in range(20)}
    assert len(names) == 20


def one_line(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_folder_that_cannot_hold_episodes_gives_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StageError) as error:
        new_episode_directory(tmp_path / "file", "PushCube")
    assert str(tmp_path / "file") in one_line(error)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):  # root may write anywhere but here
        closed = Path("/proc/stage")
    with pytest.raises(StageError) as error:
        new_episode_directory(closed, "PushCube")
    assert f"{closed} cannot hold a new episode" in one_line(error)
    with pytest.raises(StageError) as error:
        EpisodeWriter(closed / "episode", new_metadata("episode", task="PushCube"))
    assert "cannot be written" in one_line(error)


FULL_DISK = f"""
import resource, sys, time
from pathlib import Path
from stage_recorder.schema import EpisodeError, new_metadata
from stage_recorder.writer import EpisodeWriter
directory = Path(sys.argv[1])
writer = EpisodeWriter(directory, new_metadata(directory.name, task="PushCube"))
writer.add_topic("numbers", "stage_benchmark/msg/Numbered", {DEFINITION!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
sys.path.insert(0, sys.argv[2])
from benchmarks.kill_recorder import payload
try:
    for number in range(10_000):
        writer.write("numbers", payload(number, 5000), time.time_ns(), time.time_ns())
        time.sleep(0.002)
except EpisodeError as error:
    print(error)
try:
    writer.close({{"value": "success"}})
except EpisodeError as error:
    print(error)
"""


def test_a_full_disk_gives_one_line_and_keeps_what_was_written(tmp_path):
    saved = lockstep_log(tmp_path, steps=3).close()
    before = fingerprint(saved)
    directory = new_episode_directory(tmp_path, "PushCube")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(directory), str(ROOT)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and lines[0] == lines[1]
    assert "cannot be written: File too large, after 0.3 MB" in lines[0] and "stage episodes repair" in lines[0]
    assert repair_interrupted(tmp_path) == [directory]
    numbers = [struct.unpack_from("<I", message.content, 4)[0] for message in iterate_messages(mcap_path(directory))]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) * 5000 > 30_000  # hex digests of the payload do not compress well: most of the 300 kB holds messages
    assert fingerprint(saved) == before


def test_an_unreadable_episode_is_listed_with_its_problem(tmp_path):
    lockstep_log(tmp_path, steps=2).close()
    bad = new_episode_directory(tmp_path, "PushCube")
    (bad / "episode.json").write_text("{")
    states = {summary.directory: summary for summary in list_episodes(tmp_path)}
    assert states[bad].state == "unreadable"
    assert "is not JSON" in states[bad].problem
    assert repair_interrupted(tmp_path) == []
    assert json.loads(json.dumps(states[bad].problem))
