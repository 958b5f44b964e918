"""Behaviour cloning: make demonstrated chunks likely. `stage train bc`, or `train_bc(BehaviourCloningConfig(...))`.

The whole method is in `_optimise`; everything else loads, averages and writes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

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
    steps: int = 8000
    """Optimiser steps."""
    seconds: float | None = None
    """End after this time of training, s, with the learning rate at its end; the result then depends on the machine's speed."""
    batch_size: int = 128
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
    draws: int = 8
    """Noises and times per observation and step (flow matching)."""
    flow_steps: int = 5
    """Euler steps from noise to chunk when the policy is served."""
    noise_scale: float = 1.0
    """Deviation of the noise when the policy is served; below 1 favours likely chunks."""
    horizon: int = 8
    """Rows of a chunk."""
    execute: int = 4
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


def train_bc(config: BehaviourCloningConfig) -> TrainingReport:
    """Train and write a checkpoint folder: model.safetensors, config.json, normaliser.json, contract.json, training.json.

    Raises:
        ConfigurationError: If no usable episode is found, or a setting does not fit.
    """
    import torch

    from offline_rl.dataset import load_demonstrations
    from offline_rl.normaliser import fit_normaliser
    from offline_rl.trainable_policy import TrainableFlowPolicy
    from policy_server.models.flow_network import FlowNetwork, NetworkConfig

    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    contract = make_contract(config)
    demonstrations = load_demonstrations(
        config.episodes,
        contract,
        only_successful=config.only_successful,
        tasks=config.tasks,
        cache=config.cache,
        watch=lambda entries: _progress(entries, "reading", config.quiet),
    )
    if not config.quiet:
        print(*demonstrations.report.lines(), sep="\n", flush=True)
    groups = ((0, 3), (3, 6)) if contract.action.space == "ee_delta_pose" else ()
    normaliser = fit_normaliser(demonstrations.features, demonstrations.actions, groups=groups)
    contract = dataclasses.replace(contract, normalisation=dataclasses.replace(contract.normalisation, sha256=normaliser.sha256))
    sizes = NetworkConfig(
        state_dim=len(normaliser.state_mean),
        action_dim=contract.action.dim,
        horizon=config.horizon,
        image_size=config.image_size,
        head=config.head,
        flow_steps=config.flow_steps,
        noise_scale=config.noise_scale,
    )
    network = FlowNetwork(sizes).to(memory_format=torch.channels_last)
    policy = TrainableFlowPolicy(network, normaliser, contract, draws=config.draws)
    started = time.monotonic()
    averaged, losses = _optimise(policy, _batches(demonstrations, normaliser, sizes, config), config)
    report = TrainingReport(
        checkpoint=Path(config.output),
        data=dataclasses.asdict(demonstrations.report),
        steps=losses[-1][0],
        seconds=round(time.monotonic() - started, 1),
        parameters=sum(weight.numel() for weight in network.parameters()),
        losses=losses,
        settings={name: _plain(value) for name, value in dataclasses.asdict(config).items()},
    )
    TrainableFlowPolicy(averaged, normaliser, contract).save(config.output)
    _write_report(report)
    return report


def make_contract(config: BehaviourCloningConfig):
    """Return the `PolicyContract` of a policy trained with `config`; its normaliser's hash is still to come."""
    from policy_server.contract import ActionEntry, CameraEntry, NormalisationEntry, PolicyContract, StateEntry
    from policy_server.models.flow_policy_normaliser import KIND

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
        normalisation=NormalisationEntry(kind=KIND),
    )


def _optimise(policy, batches: Iterator, config: BehaviourCloningConfig):
    """Return (averaged network, loss curve): AdamW on the mean loss, cosine learning rate, moving average of the weights."""
    import copy

    import torch

    network = policy.module.train()
    averaged = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay)
    started, recent, losses = time.monotonic(), [], []
    bar = _progress(range(1, config.steps + 1), "training", config.quiet)
    for step in bar:
        gone = max((step - 1) / config.steps, (time.monotonic() - started) / config.seconds if config.seconds else 0.0)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * learning_rate_share(step, gone, config.warmup_steps)
        with _arithmetic(config.precision):
            loss = policy.imitation_loss(next(batches), reduction="mean")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        # Young averages forget faster, else the random first weights would stay in for a thousand steps.
        decay = min(config.average_decay, step / (10.0 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(averaged.parameters()), list(network.parameters()), 1.0 - decay)
        recent.append(loss.item())
        last = step == config.steps or gone >= 1.0
        if len(recent) == 100 or last:
            losses.append((step, sum(recent) / len(recent)))
            recent = []
            if hasattr(bar, "set_postfix_str"):
                bar.set_postfix_str(f"loss {losses[-1][1]:.4f}")
        if last:
            break
    if not math.isfinite(losses[-1][1]):
        raise ConfigurationError(f"the loss became {losses[-1][1]}; learning_rate is {config.learning_rate}. Try a tenth of it.")
    return averaged, losses


def learning_rate_share(step: int, gone: float, warmup_steps: int) -> float:
    """Return the learning rate as a share of its highest: rising over the warm-up, then a cosine to zero.

    Args:
        step: From 1.
        gone: Share of the training that is over, [0, 1].
        warmup_steps: Steps of the rise.
    """
    return min(1.0, step / max(1, warmup_steps)) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, gone)))


def _batches(demonstrations, normaliser, sizes, config: BehaviourCloningConfig) -> Iterator:
    """Yield random batches for ever; every step of the data is equally likely, every paraphrase of a task too."""
    import torch

    from offline_rl.trainable_policy import Batch
    from policy_server.models.instruction_encoder import encode_instructions

    images = torch.from_numpy(demonstrations.images).permute(0, 3, 1, 2)
    states = torch.from_numpy(normaliser.normalise_states(demonstrations.features))
    actions = torch.from_numpy(normaliser.normalise_actions(demonstrations.chunks))
    texts, choices = instruction_choices(demonstrations.instructions, demonstrations.tasks, config.task_files)
    words = encode_instructions(texts, sizes.instruction_buckets)
    first = torch.tensor([start for start, _ in choices])[demonstrations.episode_of]
    count = torch.tensor([number for _, number in choices])[demonstrations.episode_of]
    while True:
        rows = torch.randint(len(images), (config.batch_size,))
        text = first[rows] + (torch.rand(len(rows)) * count[rows]).long()
        yield Batch(
            images=change_brightness(images[rows], config.brightness), states=states[rows], words=words[text], actions=actions[rows]
        )


def instruction_choices(instructions: list[str], tasks: list[str], task_files: tuple[Path, ...]) -> tuple[list[str], list[tuple[int, int]]]:
    """Return every text once, and per episode (first text, how many): the recorded instruction, or those of its task file."""
    from stage_core.task import load_task

    known = {task.name: tuple(task.instructions) for task in map(load_task, task_files)}
    texts: list[str] = []
    places: dict[tuple[str, ...], tuple[int, int]] = {}
    choices = []
    for instruction, task in zip(instructions, tasks, strict=True):
        wordings = known.get(task) or (instruction,)
        if wordings not in places:
            places[wordings] = (len(texts), len(wordings))
            texts.extend(wordings)
        choices.append(places[wordings])
    return texts, choices


def change_brightness(images, amount: float):
    """Return images (B, 3, S, S) as float in [0, 255], each with its own contrast and brightness, changed by up to `amount`."""
    import torch

    values = images.float()
    if amount <= 0.0:
        return values
    contrast = 1.0 + amount * (2.0 * torch.rand(len(images), 1, 1, 1) - 1.0)
    brightness = 127.5 * amount * (2.0 * torch.rand(len(images), 1, 1, 1) - 1.0)
    return (values * contrast + brightness).clamp(0.0, 255.0)


def _arithmetic(precision: str):
    """Return the context of the forward pass."""
    import torch

    if precision == "auto":
        has_instructions = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()
        precision = "bfloat16" if has_instructions else "float32"
    return torch.autocast("cpu", torch.bfloat16) if precision == "bfloat16" else contextlib.nullcontext()


def _progress(entries, name: str, quiet: bool):
    if quiet:
        return entries
    try:
        from tqdm import tqdm
    except ImportError:
        return entries
    return tqdm(entries, desc=name, mininterval=1.0)


def _plain(value):
    if isinstance(value, Path):
        return value.name  # a checkpoint must not tell where it was made
    if isinstance(value, (tuple, list)):
        return [_plain(entry) for entry in value]
    return value


def _write_report(report: TrainingReport) -> None:
    content = {"schema_version": 1, **dataclasses.asdict(report), "checkpoint": report.checkpoint.name}
    content = {"data_sha256": report.data["sha256"], "seed": report.settings["seed"], **content}
    (report.checkpoint / "training.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
