"""Settings and report of behaviour cloning, as frozen dataclasses. No torch here: `stage train bc --help` must be quick.

Start at `BehaviourCloningConfig`; `load_training_config` reads one from a file of `config/training`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from policy_server.contract import ActionEntry, CameraEntry, NormalisationEntry, PolicyContract, StateEntry
from stage_core.configuration import from_mapping, load_yaml
from stage_core.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class BehaviourCloningConfig:
    """Clone the behaviour of recorded episodes into a small policy that sees camera, arm state and instruction."""

    episodes: tuple[Path, ...]
    """Directories of recorded episodes, as stage collect writes them."""
    output: Path
    """Folder of the checkpoint."""
    head: Literal["flow", "regression"] = "flow"
    """Flow matching, or plain regression as the baseline."""
    policy_name: str = "flow_policy"
    """Name in the contract."""
    steps: int = 12000
    """Optimiser steps."""
    seconds: float | None = None
    """End after this time of training, s, with the learning rate at its end; the result then depends on the machine's speed."""
    batch_size: int = 64
    """Observations per step."""
    learning_rate: float = 1e-3
    """At its highest; it rises over `warmup_steps` and falls as a cosine."""
    weight_decay: float = 0.01
    """Of AdamW."""
    warmup_steps: int = 100
    """Steps until the learning rate is at its highest."""
    average_decay: float = 0.998
    """Decay of the exponential moving average of the weights; the average is what is saved."""
    brightness: float = 0.1
    """Random change of an image's contrast and brightness in training, as a share; 0 for none."""
    shift: int = 2
    """Random shift of an image in training, up to so many pixels each way: what counts is where things lie to each other."""
    state_noise: float = 0.1
    """Deviation of the noise on the normalised state in training: an exact state tells which episode it is, and that is learned by heart."""
    draws: int = 4
    """Noises and times per observation and step (flow matching)."""
    flow_steps: int = 5
    """Euler steps from noise to chunk when the policy is served."""
    noise_scale: float = 1.0
    """Deviation of the noise when the policy is served; below 1 favours likely chunks."""
    horizon: int = 8
    """Rows of a chunk."""
    execute: int = 2
    """Actions that run before the next request."""
    image_size: int = 64
    """Height and width that the camera's image is resized to, pixels; a multiple of 8."""
    camera: str = "base"
    """The camera the policy sees."""
    state_fields: tuple[str, ...] = ("joint_positions", "joint_velocities", "ee_position", "ee_orientation", "gripper_opening")
    """What the policy knows of the arm."""
    joint_names: tuple[str, ...] = tuple(f"panda_joint{number}" for number in range(1, 8))
    """The arm's joints, base to wrist."""
    robot_models: tuple[str, ...] = ("panda",)
    """Workcells' robot models the policy may drive."""
    control_rate_hz: float = 20.0
    """Actions per second."""
    tasks: tuple[str, ...] = ()
    """Task names to learn; none: all that were recorded."""
    task_weights: dict[str, float] = field(default_factory=dict)
    """Task name -> how much more often its steps are drawn; 1 for tasks that are not named."""
    initial: Path | None = None
    """Checkpoint to go on from, with its sizes and its normaliser; none: random weights."""
    task_files: tuple[Path, ...] = ()
    """Task files whose `instructions` stand for the recorded one at random, so that the policy understands all of them."""
    only_successful: bool = True
    """Leave out episodes that nobody judged a success."""
    seed: int = 0
    """Of weights, batches and noise."""
    threads: int = 2
    """Torch threads."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the forward pass; auto takes bfloat16 where the processor has instructions for it."""
    cache: Path | None = None
    """Directory for decoded episodes, so that the next run starts at once."""
    quiet: bool = False
    """No progress bar."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "horizon", "draws", "flow_steps", "threads"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; expected a whole number >= 1.")
        if not self.episodes:
            raise ConfigurationError("episodes is empty; expected at least one directory. Record some with: stage collect")
        if not 0.0 < self.learning_rate <= 0.1:
            raise ConfigurationError(f"learning_rate is {self.learning_rate}; expected 0 < value <= 0.1.")
        if not 0.0 <= self.average_decay < 1.0:
            raise ConfigurationError(f"average_decay is {self.average_decay}; expected 0 <= value < 1.")
        if self.image_size % 8 or not 16 <= self.image_size <= 512:
            raise ConfigurationError(f"image_size is {self.image_size}; expected a multiple of 8 from 16 to 512 pixels.")
        for task, weight in self.task_weights.items():
            if not 0.0 <= weight <= 1000.0:
                raise ConfigurationError(f"task_weights.{task} is {weight}; expected 0 to 1000.")
        if self.seconds is not None and not self.seconds > 0.0:
            raise ConfigurationError(f"seconds is {self.seconds} s; expected > 0, or none.")


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """What came out; training.json holds the same.

    Attributes:
        checkpoint: Folder of the checkpoint.
        data: The dataset's report.
        steps: Optimiser steps taken.
        seconds: Time of training without loading, s.
        parameters: Weights of the network.
        losses: (step, mean loss since the last entry).
        settings: Of the run.
    """

    checkpoint: Path
    data: dict
    steps: int
    seconds: float
    parameters: int
    losses: list[tuple[int, float]] = field(default_factory=list)
    settings: dict = field(default_factory=dict)

    def __str__(self) -> str:
        final = self.losses[-1][1] if self.losses else float("nan")
        return f"{self.checkpoint}: {self.steps} steps in {self.seconds:.0f} s, loss {final:.4f}, {self.parameters / 1e6:.2f} M weights"


def load_training_config(path: str | Path, **changes: Any) -> BehaviourCloningConfig:
    """Return the settings in a training file, with changes.

    Args:
        path: A YAML file of the fields of `BehaviourCloningConfig`; `task_files` are relative to it.
        changes: Fields that replace the file's, for example `episodes` and `output`.

    Raises:
        ConfigurationError: Naming file, field, value and what was expected.
    """
    content = load_yaml(path)
    if content.pop("schema_version", None) != 1:
        raise ConfigurationError(f"{path}: schema_version is missing or not 1; expected 1.")
    if "task_files" in content:
        content["task_files"] = [str((Path(path).parent / name).resolve()) for name in content["task_files"]]
    return from_mapping(BehaviourCloningConfig, {**content, **changes}, source=str(path))


def make_contract(config: BehaviourCloningConfig) -> PolicyContract:
    """Return the `PolicyContract` of a policy trained with `config`; its normaliser's hash is still to come."""
    camera = CameraEntry(name=config.camera, key=f"observation/{config.camera}_image", height=config.image_size, width=config.image_size)
    return PolicyContract(
        policy_name=config.policy_name,
        cameras=(camera,),
        state=(StateEntry(key="observation/state", fields=config.state_fields),),
        action=ActionEntry(
            space="ee_delta_pose",
            dim=7,
            joint_names=config.joint_names,
            delta_keys=("x", "y", "z", "rotation_x", "rotation_y", "rotation_z"),
        ),
        control_rate_hz=config.control_rate_hz,
        horizon=config.horizon,
        execute=config.execute,
        robot_models=config.robot_models,
        normalisation=NormalisationEntry(kind="mean_std"),
    )
