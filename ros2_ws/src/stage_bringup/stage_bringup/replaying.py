"""The two processes of a replay: a stage monitor and the node that plays a log into it. Start at `replay_graph`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stage_bringup.configuration_files import find_episode_task
from stage_bringup.graph_description import Graph, GraphRequest, ProcessDescription
from stage_bringup.labelling_rebuild import input_settings, recorded_observations
from stage_core.errors import ConfigurationError
from stage_core.task import load_task
from stage_nodes.stage_inputs import TRUTH, InputSettings
from stage_recorder.schema import read_metadata


def replay_graph(
    directory: Path, *, rate: float, raw: bool = False, highest_tier: int | None = None, task_name: str = "", namespace: str = "replay"
) -> Graph:
    """Return what runs for a replay; nothing is started.

    Args:
        directory: The episode's directory.
        rate: 1 plays as recorded, 0 as fast as the monitor answers.
        raw: Play what the observations were joined from.
        highest_tier: For `raw`: inputs above it are ignored; None uses what the recorded monitor was allowed to use.
        task_name: Another task or task file; empty takes the recorded one.
        namespace: Of both nodes.

    Raises:
        ConfigurationError: If the episode was recorded without a stage monitor, or the tier does not fit.
    """
    metadata = read_metadata(directory)
    if metadata["control_rate_hz"] is None:
        raise ConfigurationError(f"{directory}: episode.json has no control_rate_hz; the monitor counts time in steps of it. Add it there.")
    task_file = find_episode_task(directory, metadata["task"], task_name)
    settings = input_settings(metadata, recorded_observations(directory)) if raw else InputSettings(source=TRUTH)
    monitor: dict[str, Any] = {
        "task_file": str(task_file),
        "control_rate_hz": float(metadata["control_rate_hz"]),
        "observation_source": settings.source,
        "max_input_age_s": settings.max_input_age_s,
        "tier": settings.highest_tier if highest_tier is None else highest_tier,
        "gripper_open_width_m": settings.gripper_open_width_m,
        "gripper_closed_width_m": settings.gripper_closed_width_m,
    }
    replay: dict[str, Any] = {
        "episode": str(Path(directory).resolve()),
        "rate": float(rate),
        "raw": raw,
        "observation_source": settings.source,
        "must_agree": not task_name and highest_tier is None,
    }
    processes = (
        ProcessDescription(
            name="stage_monitor", module="stage_nodes.stage_monitor_node", executable="stage_monitor_node", parameters=monitor
        ),
        ProcessDescription(
            name="stage_replay", module="stage_nodes.stage_replay_node", executable="stage_replay_node", parameters=replay, ends_graph=True
        ),
    )
    request = GraphRequest(workcell="", task=task_name or metadata["task"], source="none", record=False, namespace=namespace)
    no_workcell: Any = None  # nothing is driven
    return Graph(request, no_workcell, Path(), load_task(task_file), False, processes)
