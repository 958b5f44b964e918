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
from pathlib import Path
from typing import TYPE_CHECKING

from offline_rl.trainers.bc_config import BehaviourCloningConfig, TrainingReport, load_training_config, make_contract
from stage_core.errors import ConfigurationError

if TYPE_CHECKING:
    from offline_rl.dataset import Demonstrations
    from offline_rl.trainable_policy import Batch, TrainableFlowPolicy, TrainablePolicy
    from policy_server.contract import PolicyContract
    from policy_server.models.flow_network import FlowNetwork

__all__ = ["BehaviourCloningConfig", "TrainingReport", "load_training_config", "train_bc"]


def train_bc(config: BehaviourCloningConfig) -> TrainingReport:
    """Train and write a checkpoint folder: model.safetensors, config.json, normaliser.json, contract.json, training.json.

    Raises:
        ConfigurationError: If no usable episode is found, or a setting does not fit.
    """
    import torch

    from offline_rl.batches import draw_batches
    from offline_rl.dataset import load_demonstrations
    from offline_rl.trainable_policy import TrainableFlowPolicy

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
    policy = _make_policy(config, contract, demonstrations)
    network, normaliser = policy.network, policy.normaliser
    started = time.monotonic()
    batches = draw_batches(
        demonstrations,
        normaliser,
        buckets=network.config.instruction_buckets,
        batch_size=config.batch_size,
        brightness=config.brightness,
        shift=config.shift,
        state_noise=config.state_noise,
        task_files=config.task_files,
        task_weights=config.task_weights,
    )
    averaged, losses = _optimise(policy, batches, config)
    report = TrainingReport(
        checkpoint=Path(config.output),
        data=dataclasses.asdict(demonstrations.report),
        steps=losses[-1][0],
        seconds=round(time.monotonic() - started, 1),
        parameters=sum(weight.numel() for weight in network.parameters()),
        losses=losses,
        settings={name: _plain(value) for name, value in dataclasses.asdict(config).items()},
    )
    TrainableFlowPolicy(averaged, normaliser, policy.contract).save(config.output)
    _write_report(report)
    return report


def _make_policy(config: BehaviourCloningConfig, contract: PolicyContract, demonstrations: Demonstrations) -> TrainableFlowPolicy:
    """Return the policy to train: new, or the one in `config.initial`."""
    import torch

    from offline_rl.normaliser import fit_normaliser
    from offline_rl.trainable_policy import TrainableFlowPolicy
    from policy_server.models.flow_network import FlowNetwork, NetworkConfig
    from policy_server.models.flow_policy import FlowPolicy

    if config.initial is not None:
        start = FlowPolicy.load(config.initial)
        normaliser, network = start.normaliser, start.network
        unlike = [name for name in ("cameras", "state", "action", "horizon") if getattr(start.contract, name) != getattr(contract, name)]
        if unlike or network.config.head != config.head:
            raise ConfigurationError(
                f"initial: {config.initial} differs in {', '.join(unlike) or 'head'}; expected the settings of this run."
            )
    else:
        groups = ((0, 3), (3, 6)) if contract.action.space == "ee_delta_pose" else ()
        normaliser = fit_normaliser(demonstrations.features, demonstrations.actions, groups=groups)
        sizes = NetworkConfig(
            state_dim=len(normaliser.state_mean),
            action_dim=contract.action.dim,
            horizon=config.horizon,
            image_size=config.image_size,
            head=config.head,
            flow_steps=config.flow_steps,
            noise_scale=config.noise_scale,
        )
        network = FlowNetwork(sizes)
    contract = dataclasses.replace(contract, normalisation=dataclasses.replace(contract.normalisation, sha256=normaliser.sha256))
    return TrainableFlowPolicy(network.to(memory_format=torch.channels_last), normaliser, contract, draws=config.draws)


def _optimise(
    policy: TrainablePolicy, batches: Iterator[Batch], config: BehaviourCloningConfig
) -> tuple[FlowNetwork, list[tuple[int, float]]]:
    """Return (averaged network, loss curve): AdamW on the mean loss, cosine learning rate, moving average of the weights."""
    import copy

    import torch

    network = policy.module.train()
    averaged = copy.deepcopy(network).eval()
    options = {"betas": (0.9, 0.99), "weight_decay": config.weight_decay, "fused": True}
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, **options)
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
