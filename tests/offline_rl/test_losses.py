"""Losses against hand calculations."""

from __future__ import annotations

import torch

from offline_rl.losses.flow_matching import draw_times, flow_matching_loss, interpolate
from offline_rl.losses.regression import regression_loss


def test_the_line_goes_from_noise_to_actions():
    actions, noise = torch.full((2, 3, 4), 5.0), torch.ones(2, 3, 4)
    place, velocity = interpolate(actions, noise, torch.tensor([0.0, 0.25]))
    assert torch.equal(place[0], noise[0]) and torch.equal(place[1], torch.full((3, 4), 2.0))  # 0.25 * 5 + 0.75 * 1
    assert torch.equal(velocity, torch.full((2, 3, 4), 4.0))


def test_the_flow_loss_is_per_sample_and_zero_for_the_right_end():
    actions, noise, time = torch.randn(3, 2, 7), torch.randn(3, 2, 7), torch.rand(3)
    assert torch.equal(flow_matching_loss(lambda chunk, at: actions, actions, noise, time), torch.zeros(3))
    off = torch.tensor([0.0, 1.0, 2.0])[:, None, None]
    assert torch.allclose(
        flow_matching_loss(lambda chunk, at: actions + off, actions, noise, time), torch.tensor([0.0, 1.0, 4.0]), atol=1e-5
    )


def test_times_are_in_the_interval_and_mostly_early():
    torch.manual_seed(0)
    times = draw_times(20_000)
    assert times.min() >= 0.0 and times.max() <= 1.0
    assert abs(times.mean().item() - 0.4) < 0.01  # Beta(1, 1.5) has the mean 1 / 2.5


def test_the_regression_loss_is_per_sample():
    predicted = torch.zeros(2, 1, 7)
    actions = torch.stack([torch.zeros(1, 7), torch.ones(1, 7)])
    assert torch.allclose(regression_loss(predicted, actions), torch.tensor([0.0, 0.95]))  # |1| - beta / 2 with beta = 0.1
    assert torch.allclose(regression_loss(predicted, actions, reduction="mean"), torch.tensor(0.475))
