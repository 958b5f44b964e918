"""Parameters of the episode runner."""

from __future__ import annotations

from dataclasses import dataclass, field

from stage_core.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class RunnerParameters:
    """Parameters of episode_runner_node."""

    task: str = field(metadata={"description": "task name"})
    source: str = field(metadata={"description": "who acts: policy or script"})
    control_rate_hz: float = field(metadata={"description": "control steps per second"})
    horizon_steps: int = field(metadata={"description": "an episode ends as a time-out at this step"})
    episodes: int = field(default=1, metadata={"description": "how many episodes; 0 runs until Ctrl-C"})
    seed: int = field(default=0, metadata={"description": "seed of the first episode; each further one counts up"})
    instruction: str = field(default="", metadata={"description": "what the policy is told"})
    settle_s: float = field(default=0.5, metadata={"description": "seconds to go on after the first success"})
    lockstep: bool = field(default=False, metadata={"description": "acknowledge each step"})
    record: bool = field(default=True, metadata={"description": "a recorder takes part"})
    truth: bool = field(default=False, metadata={"description": "the workcell judges each step itself"})
    results_path: str = field(default="", metadata={"description": "JSON file for the results"})
    settings_json: str = field(default="{}", metadata={"description": "what else belongs into episode.json"})
    start_deadline_s: float = field(default=90.0, metadata={"description": "wall seconds for the other nodes to come up"})
    stall_deadline_s: float = field(default=60.0, metadata={"description": "wall seconds without a step before giving up"})
    quiet: bool = field(default=False, metadata={"description": "print no stages"})

    def __post_init__(self) -> None:
        if self.source not in ("policy", "script"):
            raise ConfigurationError(f"source is {self.source!r}; expected policy or script.")
        if self.episodes < 0 or self.horizon_steps < 1:
            raise ConfigurationError(f"episodes is {self.episodes}, horizon_steps {self.horizon_steps}; expected >= 0 and >= 1.")
