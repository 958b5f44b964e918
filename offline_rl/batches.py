"""Random batches of demonstrations for a trainer. Start at `draw_batches`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from offline_rl.dataset import Demonstrations
from offline_rl.trainable_policy import Batch
from policy_server.models.flow_policy_normaliser import Normaliser
from policy_server.models.instruction_encoder import encode_instructions
from stage_core.task import load_task


def draw_batches(
    demonstrations: Demonstrations,
    normaliser: Normaliser,
    *,
    buckets: int,
    batch_size: int,
    brightness: float = 0.0,
    shift: int = 0,
    state_noise: float = 0.0,
    task_files: tuple[Path, ...] = (),
    task_weights: Mapping[str, float] | None = None,
) -> Iterator[Batch]:
    """Yield random batches for ever; every step of a task is equally likely, and so is every wording of it.

    Args:
        demonstrations: Of `load_demonstrations`.
        normaliser: Of the same data.
        buckets: Size of the instruction encoder's table.
        batch_size: B.
        brightness: As in `change_brightness`.
        shift: As in `shift_images`.
        state_noise: Deviation of the noise on the normalised states.
        task_files: As in `instruction_choices`.
        task_weights: Task -> how much more often its steps are drawn; 1 where it is not named.
    """
    images = torch.from_numpy(demonstrations.images).permute(0, 3, 1, 2)
    states = torch.from_numpy(normaliser.normalise_states(demonstrations.features))
    actions = torch.from_numpy(normaliser.normalise_actions(demonstrations.chunks))
    texts, choices = instruction_choices(demonstrations.instructions, demonstrations.tasks, task_files)
    words = encode_instructions(texts, buckets)
    first = torch.tensor([start for start, _ in choices])[demonstrations.episode_of]
    count = torch.tensor([number for _, number in choices])[demonstrations.episode_of]
    weights = torch.tensor([(task_weights or {}).get(task, 1.0) for task in demonstrations.tasks], dtype=torch.float64)
    share = weights[demonstrations.episode_of].cumsum(dim=0)
    while True:
        # searchsorted may return the length itself for the largest numbers: rounding
        rows = torch.searchsorted(share, torch.rand(batch_size, dtype=torch.float64) * share[-1]).clamp(max=len(images) - 1)
        text = first[rows] + (torch.rand(len(rows)) * count[rows]).long()
        seen = change_brightness(shift_images(images[rows], shift), brightness)
        known = states[rows] + state_noise * torch.randn(len(rows), states.shape[1])
        yield Batch(images=seen, states=known, words=words[text], actions=actions[rows])


def instruction_choices(instructions: list[str], tasks: list[str], task_files: tuple[Path, ...]) -> tuple[list[str], list[tuple[int, int]]]:
    """Return every text once, and per episode (first text, how many): the recorded instruction, or those of its task file."""
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


def change_brightness(images: Tensor, amount: float) -> Tensor:
    """Return images (B, 3, S, S) as float in [0, 255], each with its own contrast and brightness, changed by up to `amount`."""
    values = images.float()
    if amount <= 0.0:
        return values
    contrast = 1.0 + amount * (2.0 * torch.rand(len(images), 1, 1, 1) - 1.0)
    brightness = 127.5 * amount * (2.0 * torch.rand(len(images), 1, 1, 1) - 1.0)
    return (values * contrast + brightness).clamp(0.0, 255.0)


def shift_images(images: Tensor, pixels: int) -> Tensor:
    """Return images (B, 3, S, S), each moved by up to `pixels` along rows and columns; borders are repeated.

    Source: Yarats et al., Image Augmentation Is All You Need (DrQ), ICLR 2021, section 3.1.
    """
    if pixels <= 0:
        return images
    size = images.shape[-1]
    moves = torch.randint(-pixels, pixels + 1, (2, len(images), 1))
    rows, columns = (torch.arange(size) + moves).clamp(0, size - 1)
    batch = torch.arange(len(images))[:, None, None]
    return images.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
