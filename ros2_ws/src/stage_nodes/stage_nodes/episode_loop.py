"""The runner's loop over episodes, in plain blocking steps with a deadline on each (DESIGN 9.5).

Runs in a thread beside the executor that delivers the answers.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rclpy.client import Client
from stage_msgs.srv import ResetWorkcell, StartEpisode, StopEpisode
from std_srvs.srv import SetBool

from stage_core.errors import DeadlineError, StageError
from stage_nodes.episode_watch import EpisodeWatch, StageVisit
from stage_nodes.topics import DEMONSTRATOR_RUN, EPISODE_START, EPISODE_STOP, NOT_YET, POLICY_RUN, WORKCELL_RESET
from stage_nodes.trace import TraceHash

if TYPE_CHECKING:
    from stage_nodes.episode_runner_node import EpisodeRunnerNode

SERVICE_DEADLINE_S = 60.0
ASK_AGAIN_S = 0.1


class EpisodeLoop:
    """Runs the episodes that the runner's parameters ask for."""

    def __init__(self, node: EpisodeRunnerNode) -> None:
        self._node = node
        self._parameters = node.parameters
        run_service = POLICY_RUN if self._parameters.source == "policy" else DEMONSTRATOR_RUN
        self._run = node.create_client(SetBool, run_service)
        self._reset = node.create_client(ResetWorkcell, WORKCELL_RESET)
        self._start = node.create_client(StartEpisode, EPISODE_START)
        self._stop = node.create_client(StopEpisode, EPISODE_STOP)
        self._results: list[dict] = []
        self._trace = TraceHash()

    def run(self) -> None:
        """Run all episodes and write the results file after each.

        Raises:
            StageError: If a node does not come up, does not answer or refuses, or the steps stop coming.
        """
        self._wait_for_services()
        index = 0
        while self._parameters.episodes == 0 or index < self._parameters.episodes:
            self._results.append(self._run_episode(index))
            self._write_results()
            index += 1

    def _wait_for_services(self) -> None:
        clients = [self._run, self._reset] + ([self._start, self._stop] if self._parameters.record else [])
        deadline = time.monotonic() + self._parameters.start_deadline_s
        for client in clients:
            if not client.wait_for_service(timeout_sec=max(deadline - time.monotonic(), 0.01)):
                raise DeadlineError(
                    f"{client.srv_name} was not served within {self._parameters.start_deadline_s:g} s. "
                    "Look at the output of the node that should serve it, or run: stage doctor"
                )

    def _run_episode(self, index: int) -> dict:
        parameters = self._parameters
        seed = parameters.seed + index
        print(f"episode {index + 1}: {parameters.task}, seed {seed}", flush=True)
        watch = EpisodeWatch(
            horizon_steps=parameters.horizon_steps,
            settle_steps=round(parameters.settle_s * parameters.control_rate_hz),
            expects_outcome=parameters.truth,
            expects_commands=parameters.lockstep,
        )
        started = self._start_recording(seed)
        self._node.begin_watch(watch)
        answer = self._call(self._reset, ResetWorkcell.Request(seed=seed))
        self._node.set_episode(answer.episode)
        try:
            self._call(self._run, SetBool.Request(data=True))
            self._wait_for_end(watch)
        finally:
            self._call(self._run, SetBool.Request(data=False))
        outcome = "success" if watch.ended_by == "success" else "failure"
        saved = self._stop_recording(outcome, "environment" if parameters.truth else "monitor")
        result = self._result(index, seed, watch, started, saved)
        self._trace.add_bytes(bytes(watch.trace_bytes))
        print(f"  {'SUCCESS' if outcome == 'success' else 'FAILURE'} ({watch.ended_by}) after {watch.steps} steps", flush=True)
        return result

    def _start_recording(self, seed: int) -> StartEpisode.Response | None:
        if not self._parameters.record:
            return None
        settings = {**json.loads(self._parameters.settings_json), "seed": seed}
        request = StartEpisode.Request(task=self._parameters.task, instruction=self._parameters.instruction, operator_name="runner")
        request.settings_json = json.dumps(settings)
        deadline = time.monotonic() + SERVICE_DEADLINE_S
        while True:
            try:
                return self._call(self._start, request)
            except StageError as error:
                if NOT_YET not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(ASK_AGAIN_S)

    def _stop_recording(self, outcome: str, by: str) -> StopEpisode.Response | None:
        if not self._parameters.record:
            return None
        return self._call(self._stop, StopEpisode.Request(outcome=outcome, outcome_by=by))

    def _wait_for_end(self, watch: EpisodeWatch) -> None:
        seen, since = -1, time.monotonic()
        with self._node.changed:
            while not watch.over:
                self._node.changed.wait(timeout=1.0)
                if watch.steps != seen:
                    seen, since = watch.steps, time.monotonic()
                elif time.monotonic() - since > self._parameters.stall_deadline_s:
                    raise DeadlineError(
                        f"no step for {self._parameters.stall_deadline_s:g} s after step {seen}. See the output of the arm and policy nodes."
                    )

    def _call(self, client: Client, request):
        """Return the service's answer, within a deadline; a refusal is an error with the node's own words."""
        answered = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(SERVICE_DEADLINE_S):
            raise DeadlineError(f"{client.srv_name} did not answer within {SERVICE_DEADLINE_S:g} s. Is its node still running?")
        answer = future.result()
        if not getattr(answer, "accepted", getattr(answer, "success", True)):
            raise StageError(f"{client.srv_name} refused: {answer.message}")
        return answer

    def _result(self, index: int, seed: int, watch: EpisodeWatch, started, saved) -> dict:
        return {
            "index": index,
            "seed": seed,
            "episode_id": started.episode_id if started else "",
            "directory": saved.directory if saved else "",
            "environment_success": watch.environment_success,
            "environment_success_once": watch.success_once if self._parameters.truth else None,
            "monitor_success": watch.monitor_success,
            "steps": watch.steps,
            "ended_by": watch.ended_by,
            "stages": [self._stage_row(visit) for visit in watch.visits],
            "trace_sha256": watch.trace.hexdigest(),
            "round_trip_ms": _percentiles(self._node.round_trips),
            "error": "",
        }

    def _stage_row(self, visit: StageVisit) -> dict:
        """Return a stage's first entry and the time spent in it."""
        duration = visit.steps / self._parameters.control_rate_hz if visit.entered_step is not None else None
        return {"name": visit.name, "entered_step": visit.entered_step, "entered_s": visit.entered_s, "duration_s": duration}

    def _write_results(self) -> None:
        if not self._parameters.results_path:
            return
        path = Path(self._parameters.results_path)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(json.dumps({"episodes": self._results, "trace_sha256": self._trace.hexdigest()}), encoding="utf-8")
        os.replace(partial, path)


def _percentiles(seconds: list[float]) -> dict[str, float | None]:
    if not seconds:
        return {"median": None, "p99": None}
    return {"median": float(np.median(seconds)) * 1e3, "p99": float(np.percentile(seconds, 99)) * 1e3}
