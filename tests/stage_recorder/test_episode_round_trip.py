"""What goes into the writer comes out of the reader, bit for bit."""

import numpy as np
import pytest
from recorded_logs import INTRINSICS, STAGES, STEP_NS, Log, arm_command, arm_state, image, lockstep_log, write_step

from stage_core.errors import ConfigurationError
from stage_recorder.joining import stage_observation
from stage_recorder.reader import list_episodes, read_episode
from stage_recorder.schema import label_episode, mcap_path


def test_every_array_of_a_lockstep_episode_is_bit_equal(tmp_path):
    log = lockstep_log(tmp_path, steps=10)
    episode = read_episode(log.close())
    states, commands = log.written["arm/state"], log.written["command/policy"]
    assert len(episode) == 10
    assert episode.sequences.tolist() == list(range(10))
    assert episode.stamps.tolist() == [3.0 + (i * STEP_NS) / 1e9 for i in range(10)]
    for name in ("joint_positions", "joint_velocities"):
        assert np.array_equal(episode.states[name], [getattr(state, name) for state in states])
    positions = [(state.ee_pose.position.x, state.ee_pose.position.y, state.ee_pose.position.z) for state in states]
    assert np.array_equal(episode.states["ee_position"], positions)
    orientations = [[getattr(state.ee_pose.orientation, axis) for axis in "xyzw"] for state in states]
    assert np.array_equal(episode.states["ee_orientation"], orientations)
    assert np.array_equal(episode.states["gripper_opening"], [[state.gripper_opening] for state in states])
    assert np.array_equal(episode.states["gripper_width"], [[state.gripper_width] for state in states])
    assert np.array_equal(episode.actions, [command.values for command in commands])
    assert np.array_equal(episode.action_gripper, [command.gripper for command in commands])
    assert episode.action_space == "ee_delta_pose"
    assert episode.sources == ["policy"] * 10
    assert np.array_equal(episode.intended_actions, [command.values for command in log.written["command/intended"]])
    pixels = [np.frombuffer(entry.data, np.uint8).reshape(6, 8, 3) for entry in log.written["cameras/base/image_raw"]]
    assert np.array_equal(episode.images["base"], pixels)
    statuses = log.written["stage/status"]
    assert episode.stages.tolist() == [status.stage for status in statuses]
    assert episode.stage_names == tuple(STAGES)
    for name, field in (("progress", "progress"), ("potentials", "potential"), ("costs", "cost"), ("shaped_rewards", "shaped_reward")):
        assert np.array_equal(getattr(episode, name), [getattr(status, field) for status in statuses], equal_nan=True)
    assert episode.outcomes.tolist() == [message.success for message in log.written["truth/outcome"]]
    assert [event.sequence for event in episode.stage_events] == [4, 8]


def test_stage_observations_come_back_as_the_monitor_had_them(tmp_path):
    log = lockstep_log(tmp_path, steps=3)
    episode = read_episode(log.close(), images=False)
    first, message = episode.stage_observations[0], log.written["stage/observation"][0]
    assert first.object_position.tolist() == [
        message.object.pose.position.x,
        message.object.pose.position.y,
        message.object.pose.position.z,
    ]
    assert first.goal_orientation is None
    assert (first.grasped, first.contact, first.released, first.object_static) == (True, None, False, True)
    assert (first.contact_force, first.gripper_width) == (None, 0.04)
    assert first.confidence == {"goal_position": 0.5}
    assert first.input_stamps == {"state": 3.0, "object": 3.0}
    assert episode.images == {}


def test_conversion_agrees_with_the_nodes_own(tmp_path):
    from stage_nodes import conversions

    log = lockstep_log(tmp_path, steps=2)
    for read, message in zip(read_episode(log.close(), images=False).stage_observations, log.written["stage/observation"], strict=True):
        live = conversions.stage_observation_from_message(message)
        for name in vars(live):
            assert np.array_equal(getattr(read, name), getattr(live, name)), name
    assert callable(stage_observation)


def test_a_step_with_a_hold_or_without_a_command_has_no_action(tmp_path):
    log, generator = Log(tmp_path), np.random.default_rng(1)
    for sequence, space in enumerate(["hold", "ee_delta_pose", "ee_delta_pose"]):
        write_step(log, generator, sequence, stamp_ns=10**9 + sequence * STEP_NS, space=space)
    log.write("arm/state", arm_state(generator, 3, stamp_ns=10**9 + 3 * STEP_NS))
    log.written.pop("stage/status")
    episode = read_episode(log.close(), images=False)
    assert np.isfinite(episode.actions).all(axis=1).tolist() == [False, True, True]


def test_the_ends_of_other_episodes_in_the_log_are_left_out(tmp_path):
    log, generator = Log(tmp_path), np.random.default_rng(2)
    log.write("arm/state", arm_state(generator, 41, stamp_ns=10**9, episode=6))
    for sequence in range(4):
        write_step(log, generator, sequence, stamp_ns=2 * 10**9 + sequence * STEP_NS, episode=7)
    log.write("arm/state", arm_state(generator, 0, stamp_ns=4 * 10**9, episode=8))
    episode = read_episode(log.close())
    assert episode.sequences.tolist() == [0, 1, 2, 3]


def test_a_free_running_log_joins_the_newest_image_and_the_command_in_force(tmp_path):
    log, generator = Log(tmp_path), np.random.default_rng(3)
    base = 10**9
    states = [arm_state(generator, k, stamp_ns=base + k * 20_000_000) for k in range(10)]  # 50 Hz
    commands = [arm_command(generator, k, stamp_ns=base + k * 20_000_000 + 3_000_000) for k in (0, 2, 5)]  # valid 0.1 s
    images = [image(generator, base + k * 33_000_000) for k in range(1, 6)]
    for message in states:
        log.write("arm/state", message)
    for message in commands:
        log.write("command/policy", message)
    for message in images:
        log.write("cameras/base/image_raw", message)
    episode = read_episode(log.close())
    values = [np.asarray(command.values) for command in commands]
    # By hand: 0, 2, 5 by sequence; 1 after 0; 3 and 4 after 2; 6 to 9 within 0.1 s of 5 (at 0.103 s).
    expected = [values[0], values[0], values[1], values[1], values[1], *[values[2]] * 5]
    assert np.array_equal(episode.actions, expected)
    pixels = [np.frombuffer(entry.data, np.uint8).reshape(6, 8, 3) for entry in images]
    # States at 0, 20, ..., 180 ms; images at 33, 66, 99, 132, 165 ms; before the first image its own pixels.
    newest = [0, 0, 0, 0, 1, 2, 2, 3, 3, 4]
    assert np.array_equal(episode.images["base"], [pixels[i] for i in newest])
    assert episode.stages is None
    assert episode.outcomes is None


def test_a_takeover_counts_the_commands_of_the_active_source(tmp_path):
    log, generator = Log(tmp_path), np.random.default_rng(4)
    for k in range(6):
        stamp, active = 10**9 + k * STEP_NS, "policy" if k < 3 else "teleop"
        log.write("arm/state", arm_state(generator, k, stamp_ns=stamp, source=active))
        for source in ("policy", "teleop"):
            log.write(f"command/{source}", arm_command(generator, k, stamp_ns=stamp, source=source))
    directory = log.close()
    episode = read_episode(directory)
    assert episode.sources == ["policy"] * 3 + ["teleop"] * 3
    expected = [log.written["command/policy" if k < 3 else "command/teleop"][k].values for k in range(6)]
    assert np.array_equal(episode.actions, expected)


def test_a_namespace_in_front_of_the_topics_changes_nothing(tmp_path):
    log, generator = Log(tmp_path), np.random.default_rng(5)
    log.write("/left/arm/state", arm_state(generator, 0, stamp_ns=10**9))
    log.write("/left/command/policy", arm_command(generator, 0, stamp_ns=10**9))
    episode = read_episode(log.close())
    assert np.array_equal(episode.actions[0], log.written["/left/command/policy"][0].values)


def test_the_log_opens_in_rosbags_and_in_the_mcap_library(tmp_path):
    from mcap.reader import make_reader
    from mcap_ros2.decoder import DecoderFactory

    log = lockstep_log(tmp_path, steps=5)
    directory = log.close()
    with open(mcap_path(directory), "rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == "ros2"
        assert reader.get_summary().statistics.message_count == sum(map(len, log.written.values()))
        decoded = [entry.decoded_message for entry in reader.iter_decoded_messages(topics=["/arm/state"])]
    assert [list(message.joint_positions) for message in decoded] == [list(message.joint_positions) for message in log.written["arm/state"]]
    import rosbags.highlevel as rosbags

    with rosbags.AnyReader([directory]) as bag:
        assert bag.message_count == sum(map(len, log.written.values()))
        connections = [entry for entry in bag.connections if entry.topic == "/arm/state"]
        states = [bag.deserialize(raw, connection.msgtype) for connection, _, raw in bag.messages(connections=connections)]
    assert [state.joint_positions.tolist() for state in states] == [list(message.joint_positions) for message in log.written["arm/state"]]


def test_the_list_tells_outcome_steps_and_size(tmp_path):
    lockstep_log(tmp_path, steps=4, instruction="push the cube").close("failure")
    (summary,) = list_episodes(tmp_path)
    assert (summary.state, summary.task, summary.outcome, summary.outcome_by, summary.steps) == (
        "saved",
        "PushCube",
        "failure",
        "operator",
        4,
    )
    assert summary.bytes > 0
    assert summary.duration_s >= 0


def test_episode_json_describes_cameras_and_sources(tmp_path):
    given = [{"name": "base", "width": 8, "height": 6, "extrinsics": {"parent": "base", "position": [1.0, 0.0, 0.5]}}]
    metadata = read_episode(lockstep_log(tmp_path, steps=4, cameras=given).close()).metadata
    (camera,) = metadata["cameras"]
    assert (camera["name"], camera["width"], camera["height"], camera["frame"]) == ("base", 8, 6, "base")
    assert (camera["intrinsics"], camera["distortion"], camera["extrinsics"]) == (INTRINSICS, [0.5], given[0]["extrinsics"])
    (segment,) = metadata["sources"]
    assert (segment["source"], segment["commands"]) == ("policy", 4)


def test_a_new_label_keeps_the_old_one_and_leaves_the_log_alone(tmp_path):
    directory = lockstep_log(tmp_path, steps=2).close("success")
    before = mcap_path(directory).read_bytes()
    label_episode(directory, "failure", by="me", notes="it slipped")
    metadata = read_episode(directory).metadata
    assert (metadata["outcome"]["value"], metadata["outcome"]["notes"]) == ("failure", "it slipped")
    assert [entry["value"] for entry in metadata["labels"]] == ["success", "failure"]
    assert mcap_path(directory).read_bytes() == before
    with pytest.raises(ConfigurationError, match="outcome is 'broken'"):
        label_episode(directory, "broken")


def test_a_wrong_outcome_is_refused_and_the_episode_stays_open(tmp_path):
    log = lockstep_log(tmp_path, steps=2)
    with pytest.raises(ConfigurationError, match="outcome is 'good'"):
        log.close("good")
    assert len(read_episode(log.close())) == 2
