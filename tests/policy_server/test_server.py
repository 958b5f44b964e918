"""Our server: openpi's own client works on it, and nothing a client sends can harm anyone else."""

from __future__ import annotations

import asyncio
import http.client
import logging
import threading

import numpy as np
import pytest
from openpi_client.websocket_client_policy import WebsocketClientPolicy
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from policy_server.client import PolicyClient
from policy_server.contract import PolicyContract
from policy_server.models.scripted import ScriptedPolicy
from policy_server.policy_runner import Request
from policy_server.server import PolicyServer, _Slot, is_loopback
from policy_server.wire_format import pack, unpack
from stage_core.errors import ConfigurationError, StageError


def get(server, path="/healthz"):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_openpis_own_client_works_unmodified(start_server, observation):
    server = start_server()
    client = WebsocketClientPolicy("127.0.0.1", server.port)
    metadata = client.get_server_metadata()
    assert metadata["stage_protocol"] == 1 and metadata["policy_name"] == "scripted"
    assert PolicyContract.from_dict(metadata["contract"]) == ScriptedPolicy().contract
    assert metadata["contract"]["observation"]["observation/base_image"] == {"shape": [128, 128, 3], "dtype": "uint8"}
    for _ in range(3):
        client.reset()
        reply = client.infer(observation)
        assert np.array_equal(reply["actions"], ScriptedPolicy().infer(observation)["actions"])
        assert reply["actions"].dtype == np.float32
        assert reply["server_timing"]["infer_ms"] > 0.0 and reply["server_timing"]["queue_ms"] >= 0.0
        assert "stage/request_id" not in reply


def test_openpis_client_may_send_float64_states_and_more_keys(start_server, observation):
    client = WebsocketClientPolicy("127.0.0.1", start_server().port)
    reply = client.infer({**observation, "observation/state": observation["observation/state"].astype(np.float64), "more": "keys"})
    assert reply["actions"].shape == (8, 7)


def test_openpis_client_with_a_key(start_server, observation):
    server = start_server(api_key="secret")
    client = WebsocketClientPolicy("127.0.0.1", server.port, api_key="secret")
    assert client.infer(observation)["actions"].shape == (8, 7)


def test_wrong_or_missing_key_is_refused_before_anything_is_said(start_server):
    server = start_server(api_key="secret")
    for headers in (None, {"Authorization": "Api-Key wrong"}, {"Authorization": "Bearer secret"}):
        with pytest.raises(InvalidStatus) as caught:
            connect(f"ws://127.0.0.1:{server.port}", additional_headers=headers)
        assert caught.value.response.status_code == 401
    assert get(server, "/metrics")[0] == 401


def test_health_and_metrics_answer_while_the_policy_thinks(start_server, gated_policy, observation):
    server = start_server(gated_policy)
    with connect(server.url, compression=None) as connection:
        connection.recv()
        connection.send(pack(observation))
        assert gated_policy.entered.wait(5.0)
        assert get(server) == (200, "OK\n")
        gated_policy.gate.set()
        connection.recv()
        assert "policy_server_requests_total 1\n" in get(server, "/metrics")[1]


def test_health_says_no_until_the_warm_up_is_done():
    class SlowWarmUp(ScriptedPolicy):
        begun, go_on = threading.Event(), threading.Event()

        def warm_up(self):
            self.begun.set()
            assert self.go_on.wait(10.0)

    policy = SlowWarmUp()
    server = PolicyServer(policy, port=0)
    ready = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"on_ready": ready.set})
    thread.start()
    try:
        assert policy.begun.wait(10.0)
        assert get(server) == (503, "warming up\n")
        with pytest.raises(StageError, match="still warming up"):
            PolicyClient(port=server.port).connect()
        policy.go_on.set()
        assert ready.wait(10.0)
        assert get(server)[0] == 200
    finally:
        policy.go_on.set()
        server.stop()
        thread.join(10.0)


def test_policy_that_fails_its_warm_up_ends_the_server():
    class Broken(ScriptedPolicy):
        def infer(self, observation, *, seed=None):
            raise RuntimeError("out of memory\nmore lines")

    with pytest.raises(StageError, match='policy "scripted" failed its warm-up: RuntimeError: out of memory more lines'):
        PolicyServer(Broken(), port=0).serve_forever()


def test_failing_policy_tells_the_client_one_line_and_logs_the_traceback(start_server, observation, caplog):
    class FailsLater(ScriptedPolicy):
        def warm_up(self):
            pass

        def infer(self, observation, *, seed=None):
            raise KeyError("weights/of/layer")

    server = start_server(FailsLater())
    with connect(server.url, compression=None) as connection, caplog.at_level(logging.ERROR):
        connection.recv()
        connection.send(pack(observation))
        words = connection.recv()
        assert isinstance(words, str) and "\n" not in words and "Traceback" not in words
        assert words.startswith("KeyError: 'weights/of/layer'")
        with pytest.raises(ConnectionClosed) as caught:
            connection.recv()
    assert caught.value.rcvd.code == 1011
    assert any(record.exc_info for record in caplog.records)
    assert get(server)[0] == 200


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (np.zeros((8, 6), np.float32), r"actions float32 \(8, 6\); its contract says float \(8, 7\)"),
        (np.full((8, 7), np.nan, np.float32), "NaN or infinity"),
        (np.zeros((8, 7), int), "int64"),
        (None, "NoneType|object"),
    ],
)
def test_policy_that_breaks_its_contract_never_reaches_the_robot(start_server, observation, actions, words):
    class Wrong(ScriptedPolicy):
        def warm_up(self):
            pass

        def infer(self, observation, *, seed=None):
            return {"actions": actions}

    with PolicyClient(port=start_server(Wrong()).port) as client, pytest.raises(StageError, match=words):
        client.infer(observation, 5.0)


def test_policy_without_a_seed_argument_is_served_too(start_server, observation):
    class NoSeed(ScriptedPolicy):
        def infer(self, observation):
            return super().infer(observation)

        def warm_up(self):
            pass

    with PolicyClient(port=start_server(NoSeed()).port) as client:
        assert client.infer(observation, 5.0, seed=4).actions.shape == (8, 7)


def test_observation_that_breaks_the_contract_is_answered_by_name(start_server, observation):
    observation["observation/state"] = np.zeros(3, np.float32)
    with PolicyClient(port=start_server().port) as client, pytest.raises(StageError, match=r"observation/state is float32 \(3,\)"):
        client.infer(observation, 5.0)


def hostile_frames(observation):
    """Yield a few hundred frames: cut off, damaged, random, and well-formed nonsense."""
    generator = np.random.default_rng(7)
    good = pack(observation)
    for _ in range(100):
        yield good[: generator.integers(0, len(good))]
    for _ in range(100):
        damaged = bytearray(good)
        for place in generator.integers(0, 110, 3):  # keys and array headers; later bytes are pixels
            damaged[place] = generator.integers(0, 256)
        yield bytes(damaged)
    for _ in range(100):
        yield generator.bytes(generator.integers(0, 300))
    yield from ("text", "", b"", b"\x91" * 50_000, pack({}), pack({**observation, "prompt": 5}))
    yield from (pack({**observation, "stage/request_id": value}) for value in (-1, 2**63, "1", 1.5, True))
    yield from (pack({**observation, "stage/deadline_s": value}) for value in (0, -1.0, "1", float("nan")))
    yield pack({**observation, "stage/seed": [1]})


def test_hundreds_of_hostile_frames_leave_the_server_alive(start_server, observation):
    server = start_server()
    refused = 0
    with PolicyClient(port=server.port) as bystander:
        for frame in hostile_frames(observation):
            with connect(server.url, compression=None, close_timeout=1) as connection:
                connection.recv()
                connection.send(frame)
                answer = connection.recv(timeout=10)
                # Damage in the pixels alone is no damage to the frame: then there is a chunk.
                if isinstance(answer, str):
                    assert answer and "\n" not in answer and "Traceback" not in answer
                    refused += 1
                else:
                    assert unpack(answer)["actions"].shape == (8, 7)
        assert bystander.infer(observation, 5.0).actions.shape == (8, 7)
    assert refused > 250, refused
    assert get(server)[0] == 200


def test_frame_beyond_the_bound_closes_its_connection_only(start_server, observation):
    server = start_server(max_message_bytes=100_000)
    with PolicyClient(port=server.port) as bystander:
        with connect(server.url, compression=None) as connection:
            connection.recv()
            connection.send(bytes(200_000))
            with pytest.raises(ConnectionClosed) as caught:
                connection.recv()
        assert caught.value.rcvd.code == 1009
        assert bystander.infer(observation, 5.0).actions.shape == (8, 7)


def test_client_that_leaves_in_the_middle_does_not_stop_the_others(start_server, gated_policy, observation):
    server = start_server(gated_policy)
    connection = connect(server.url, compression=None)
    connection.recv()
    connection.send(pack(observation))
    assert gated_policy.entered.wait(5.0)
    connection.socket.close()
    gated_policy.gate.set()
    with PolicyClient(port=server.port) as client:
        assert client.infer(observation, 5.0).actions.shape == (8, 7)


def test_several_clients_get_their_own_answers(start_server, observation):
    server = start_server()
    results = {}

    def drive(index):
        mine = {
            **observation,
            "observation/state": observation["observation/state"] + np.float32(0.001 * index) * np.eye(8, dtype=np.float32)[0],
        }
        with PolicyClient(port=server.port) as client:
            results[index] = all(
                np.array_equal(client.infer(mine, 20.0).actions, ScriptedPolicy().infer(mine)["actions"]) for _ in range(20)
            )

    threads = [threading.Thread(target=drive, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert results == dict.fromkeys(range(4), True)


def request(identifier):
    return Request(observation={}, identifier=identifier, seed=None, arrived=0.0, deadline=None)


def test_newest_numbered_request_takes_the_place_of_the_waiting_one():
    async def run():
        slot = _Slot()
        for number in (1, 2, 3):
            await slot.put(request(number))
        assert slot.take().identifier == 3
        assert not slot.filled.is_set()

    asyncio.run(run())


def test_plain_requests_wait_for_one_another_so_that_each_is_answered():
    async def run():
        slot = _Slot()
        first, second = request(None), request(None)
        await slot.put(first)
        waiting = asyncio.create_task(slot.put(second))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert slot.take() is first
        await waiting
        assert slot.take() is second

    asyncio.run(run())


def test_plain_requests_sent_ahead_are_all_answered_in_order(start_server, observation):
    server = start_server()
    heights = [0.1, 0.2, 0.3, 0.4, 0.5]
    with connect(server.url, compression=None) as connection:
        connection.recv()
        for opening in heights:
            state = observation["observation/state"].copy()
            state[7] = opening
            connection.send(pack({**observation, "observation/state": state}))
        got = [float(unpack(connection.recv(timeout=10))["actions"][0, 6]) for _ in heights]
    assert got == pytest.approx(heights)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "robot.example"])
def test_address_others_can_reach_needs_a_key(host):
    with pytest.raises(ConfigurationError, match=f"--host is {host}, which other machines can reach, and there is no API key"):
        PolicyServer(ScriptedPolicy(), host)
    assert PolicyServer(ScriptedPolicy(), host, api_key="secret").host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.9"])
def test_loopback_needs_no_key(host):
    assert is_loopback(host)


def test_taken_port_is_said_in_words(start_server):
    with pytest.raises(ConfigurationError, match="cannot listen on 127.0.0.1"):
        PolicyServer(ScriptedPolicy(), port=start_server().port).serve_forever()
