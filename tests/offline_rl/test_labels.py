"""From commands to labels, idle steps and chunks."""

from __future__ import annotations

import numpy as np

from offline_rl.labels import chunks_of_labels, idle_steps, labels_of_episode, steps_after_success


def test_the_intention_is_the_label_where_it_was_recorded(make_episode):
    episode = make_episode()
    meant = np.full_like(episode.actions, np.nan)
    meant[:5] = 0.007
    episode = make_episode(intended_actions=meant, intended_gripper=np.zeros(len(episode)))
    labels, intended = labels_of_episode(episode, "opening")
    assert intended.tolist() == [True] * 5 + [False] * 7
    assert np.allclose(labels[:5, :6], 0.007) and np.allclose(labels[5:, :6], episode.actions[5:])
    assert labels[:, 6].tolist() == [0.0] * 5 + [1.0] * 7  # the gripper's intention goes with the arm's


def test_a_gripper_left_as_it_is_keeps_its_last_command(make_episode):
    gripper = np.full(12, np.nan)
    gripper[4] = 0.0
    labels, _ = labels_of_episode(make_episode(action_gripper=gripper), "opening")
    assert labels[:, 6].tolist() == [1.0] * 4 + [0.0] * 8


def test_waiting_for_the_fingers_is_not_idle():
    labels = np.zeros((6, 7))
    labels[:, 6] = [1, 1, 0, 0, 0, 0]
    opening = np.array([1.0, 1.0, 1.0, 0.7, 0.5, 0.5])
    # 0, 1: nothing happens; 2: told to close; 3, 4: closing; 5: closed, nothing happens.
    assert idle_steps(labels, opening, "ee_delta_pose").tolist() == [True, True, False, False, False, True]


def test_a_slow_motion_is_not_idle():
    labels = np.zeros((2, 7))
    labels[0, 0], labels[1, 5] = 0.002, 0.01
    assert not idle_steps(labels, np.zeros(2), "ee_delta_pose").any()


def test_behind_the_end_the_arm_stays_and_the_gripper_keeps_its_command():
    labels = np.arange(21, dtype=float).reshape(3, 7)
    chunks = chunks_of_labels(labels, 3, deltas=True)
    assert chunks.shape == (3, 3, 7)
    assert np.array_equal(chunks[0], labels)
    assert chunks[2, 1:].tolist() == [[0, 0, 0, 0, 0, 0, 20.0]] * 2


def test_a_step_without_a_command_is_staying_inside_a_chunk():
    labels = np.ones((3, 7))
    labels[1] = np.nan
    assert chunks_of_labels(labels, 3, deltas=True)[0, 1].tolist() == [0, 0, 0, 0, 0, 0, 1]


def test_steps_after_success_are_found(make_episode):
    outcomes = np.zeros(12, dtype=bool)
    outcomes[4:] = True
    assert np.flatnonzero(steps_after_success(make_episode(outcomes=outcomes))).tolist() == [4, 5, 6, 7, 8, 9, 10, 11]
