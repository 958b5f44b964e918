"""One episode being recorded: counts what it writes and notices steps that never came."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from stage_msgs.msg import ArmState, SafetyStatus
from stage_msgs.srv import StartEpisode

from stage_core.errors import StageError
from stage_nodes.recorded_topics import RecordedTopic
from stage_recorder.definitions import message_definition
from stage_recorder.schema import keep_task_file, new_episode_directory, new_metadata
from stage_recorder.writer import EpisodeWriter

CLOCK_JUMP_WORDS = "clock jumped"  # as SafeArm says why it holds
FLAGGED_MODES = {"fault": "arm_fault", "stopped": "arm_stopped"}  # an episode in which this happened is not like the others


class Recording:
    """Feeds one `EpisodeWriter`."""

    def __init__(
        self, root: Path, topics: list[RecordedTopic], request: StartEpisode.Request, settings: dict[str, Any], task_file: str = ""
    ) -> None:
        """Open the episode's directory and file.

        Args:
            root: Folder of all episodes.
            topics: What will be written.
            request: Task, instruction, operator and notes.
            settings: More fields of `EpisodeMetadata`.
            task_file: Content of the task's YAML file, kept beside the log; empty keeps none.

        Raises:
            StageError: If the folder cannot be written, in one line.
        """
        self.task, self.instruction = request.task, request.instruction
        self.directory = new_episode_directory(root, request.task)
        self.identifier = self.directory.name
        metadata = new_metadata(
            self.identifier,
            task=request.task,
            instruction=request.instruction,
            operator=request.operator_name,
            notes=request.notes,
            **settings,
        )
        self._writer = EpisodeWriter(self.directory, metadata)
        if task_file:
            keep_task_file(self.directory, task_file)
        for topic in topics:
            self._writer.add_topic(topic.name, topic.type_name, message_definition(topic.type_name), latched=topic.latched)
        self.messages = 0
        self.bytes = 0
        self.gaps = 0
        self._last: tuple[int, int] | None = None
        self._flags: set[str] = set()
        self._interventions_before: dict[str, int] | None = None
        self._interventions: dict[str, int] = {}

    def write(self, topic: str, content: bytes) -> None:
        """Write one serialized message. Raises StageError when the disk refuses."""
        now = time.time_ns()
        self._writer.write(topic, content, now, now)
        self.messages += 1
        self.bytes += len(content)

    def note_state(self, state: ArmState) -> None:
        """Count the steps missing since the last state, and remember what the whole episode must be flagged with."""
        if self._last is not None and self._last[0] == state.episode and state.sequence > self._last[1] + 1:
            self.gaps += state.sequence - self._last[1] - 1
        if self._last is not None and (state.episode, state.sequence) < self._last:
            self._flags.add("arm_restarted")
        self._last = (state.episode, state.sequence)
        if CLOCK_JUMP_WORDS in state.hold_reason:
            self._flags.add("clock_jump")
        if state.mode in FLAGGED_MODES:
            self._flags.add(FLAGGED_MODES[state.mode])

    def note_safety(self, status: SafetyStatus) -> None:
        """Keep how often each limit was applied; what was counted before the episode does not belong to it."""
        counts = dict(zip(status.limits, map(int, status.counts), strict=True))
        if self._interventions_before is None:
            self._interventions_before = counts
        before = self._interventions_before
        self._interventions = {name: count - before.get(name, 0) for name, count in counts.items() if count > before.get(name, 0)}

    def save(self, outcome: str, by: str, notes: str) -> Path:
        """Close the file and mark the episode saved. Raises StageError when the disk refuses."""
        counts = {"messages": self.messages, "bytes": self.bytes, "sequence_gaps": self.gaps, "interventions": self._interventions}
        return self._writer.close({"value": outcome, "by": by, "notes": notes, "counts": counts, "flags": sorted(self._flags)})

    def abandon(self, words: str) -> None:
        """Close what can be closed after a write error; what is on disk stays for `stage episodes repair`."""
        try:
            self.save("unknown", "recorder", words)
        except StageError:
            return
