"""Our client: on our server, on a plain openpi server, and on everything that goes wrong."""

from __future__ import annotations

import base64
import hashlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from policy_server.__main__ import _tls_context
from policy_server.client import Backoff, PolicyClient
from policy_server.models.scripted import ScriptedPolicy
from policy_server.server import PolicyServer
from policy_server.wire_format import WireFormatError, pack
from stage_core.errors import ConfigurationError, DeadlineError, DeviceError


def test_reply_has_the_actions_and_the_time_of_every_hop(start_server, observation):
    with PolicyClient(port=start_server().port) as client:
        assert client.metadata["stage_protocol"] == 1
        reply = client.infer(observation, deadline_s=5.0, seed=3)
    assert np.array_equal(reply.actions, ScriptedPolicy().infer(observation)["actions"])
    assert reply.message["stage/request_id"] == 1
    assert 0.0 < reply.server_inference_s < reply.round_trip_s < 5.0
    assert reply.server_queue_s >= 0.0 and reply.encode_s > 0.0 and reply.decode_s > 0.0


def test_seed_reaches_the_policy(start_server, gated_policy, observation):
    gated_policy.gate.set()
    with PolicyClient(port=start_server(gated_policy).port) as client:
        client.infer(observation, 5.0, seed=41)
        client.infer(observation, 5.0)
    assert gated_policy.seeds == [41, None]


def test_plain_openpi_server_gets_no_key_of_ours(start_plain_server):
    plain = start_plain_server({"model": "pi0"})
    with PolicyClient(port=plain.port) as client:
        assert client.metadata == {"model": "pi0"} and not client.speaks_stage
        reply = client.infer({"value": 4.0, "image": np.zeros((2, 2, 3), np.uint8)}, 5.0, seed=1)
    assert set(plain.received[0]) == {"value", "image"}
    assert reply.actions.shape == (10, 8) and (reply.actions == 4.0).all()
    assert reply.server_inference_s == pytest.approx(0.0015) and reply.server_queue_s is None


def test_reply_to_another_request_is_refused(start_plain_server):
    client = PolicyClient(port=start_plain_server({"stage_protocol": 1}).port)  # it says so, but echoes no request id
    client.connect()
    with pytest.raises(DeviceError, match="answered request None; expected 1"):
        client.infer({"value": 1.0}, 5.0)
    assert not client.connected


def test_traceback_of_an_openpi_server_becomes_its_last_line(start_plain_server):
    failure = "Traceback (most recent call last):\n  File \"policy.py\", line 3, in infer\nKeyError: 'observation/image'\n"
    client = PolicyClient(port=start_plain_server(failure=failure).port)
    client.connect()
    with pytest.raises(DeviceError) as caught:
        client.infer({"value": 1.0}, 5.0)
    assert str(caught.value).endswith("KeyError: 'observation/image'") and "\n" not in str(caught.value)
    assert not client.connected


def test_time_out_closes_and_the_late_reply_is_never_returned(start_plain_server):
    plain = start_plain_server()
    client = PolicyClient(port=plain.port)
    client.connect()
    plain.gate.clear()
    with pytest.raises(DeadlineError, match="did not answer within 0.05 s; the connection is closed"):
        client.infer({"value": 1.0}, 0.05)
    assert not client.connected
    with pytest.raises(DeviceError, match="not connected"):
        client.infer({"value": 2.0}, 5.0)
    plain.gate.set()
    assert plain.answered.wait(5.0)  # the late reply is on its way to a socket that nobody reads
    client.connect()
    assert (client.infer({"value": 3.0}, 5.0).actions == 3.0).all()
    client.close()


def test_time_out_on_our_own_server_closes_too(start_server, gated_policy, observation):
    client = PolicyClient(port=start_server(gated_policy).port)
    client.connect()
    with pytest.raises(DeadlineError):
        client.infer(observation, 0.05)
    assert not client.connected
    gated_policy.gate.set()
    client.connect()
    assert client.infer(observation, 5.0).message["stage/request_id"] == 2
    client.close()


def test_server_that_is_not_running_is_one_line_with_the_command(free_port):
    client = PolicyClient(port=free_port)
    with pytest.raises(DeviceError) as caught:
        client.connect()
    assert str(caught.value) == (
        f"policy server at ws://127.0.0.1:{free_port} is not running. Start it: python -m policy_server --policy NAME --port {free_port}"
    )
    assert not client.connected


def test_connect_can_wait_for_a_server_that_is_still_starting(free_port, observation):
    server = PolicyServer(ScriptedPolicy(), port=free_port)
    thread = threading.Thread(target=server.serve_forever)
    client = PolicyClient(port=free_port)
    with pytest.raises(DeviceError, match="is not running"):
        client.connect(wait_s=0.05)
    thread.start()
    try:
        assert client.connect(wait_s=20.0)["policy_name"] == "scripted"
        assert client.infer(observation, 5.0).actions.shape == (8, 7)
    finally:
        client.close()
        server.stop()
        thread.join(20.0)


def test_metadata_is_kept_after_a_time_out_so_that_the_contract_can_be_compared(start_server, gated_policy, observation):
    client = PolicyClient(port=start_server(gated_policy).port)
    metadata = client.connect()
    with pytest.raises(DeadlineError):
        client.infer(observation, 0.05)
    assert client.metadata == metadata
    assert client.connect() == metadata
    client.close()


def test_both_sides_find_the_key_in_the_same_variable(start_server, observation, monkeypatch):
    monkeypatch.setenv("STAGE_API_KEY", "secret")
    with PolicyClient(port=start_server(api_key="secret").port) as client:
        assert client.infer(observation, 5.0).actions.shape == (8, 7)


@pytest.mark.parametrize(("key", "words"), [("", "asks for an API key and none was sent"), ("wrong", "The API key was refused")])
def test_wrong_key_is_one_line(start_server, key, words):
    with pytest.raises(DeviceError, match=words) as caught:
        PolicyClient(port=start_server(api_key="secret").port, api_key=key).connect()
    assert "secret" not in str(caught.value)


def test_right_key_is_let_in(start_server, observation):
    with PolicyClient(port=start_server(api_key="secret").port, api_key="secret") as client:
        assert client.infer(observation, 5.0).actions.shape == (8, 7)


@pytest.fixture
def deaf_server():
    """A server that takes the handshake by hand, sends metadata if asked to, and never reads again."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept, done = [], threading.Event()

    def run(answer, metadata):
        connection, _ = listener.accept()
        kept.append(connection)
        if not answer:
            return
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
        upgrade = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        connection.sendall(upgrade.encode() + (b"\x82" + bytes([len(metadata)]) + metadata if metadata else b""))
        done.wait(20.0)

    def start(answer=True, metadata=b""):
        threading.Thread(target=run, args=(answer, metadata), daemon=True).start()
        return listener.getsockname()[1]

    yield start
    done.set()
    for connection in (*kept, listener):
        connection.close()


@pytest.mark.parametrize("answer", [False, True])
def test_server_that_says_nothing_is_given_up_at_the_deadline(deaf_server, answer):
    start = time.monotonic()
    with pytest.raises(DeadlineError, match="did not answer within 0.2 s"):
        PolicyClient(port=deaf_server(answer=answer), connect_timeout_s=0.2).connect()
    assert time.monotonic() - start < 2.0


def test_server_that_stops_reading_cannot_hold_the_sender(deaf_server):
    client = PolicyClient(port=deaf_server(metadata=pack({"model": "deaf"})))
    client.connect()
    start = time.monotonic()
    with pytest.raises(DeadlineError):
        client.infer({"image": np.zeros(50_000_000, np.uint8)}, 0.3)  # more than the socket's buffers take
    assert time.monotonic() - start < 3.0
    assert not client.connected


def test_something_else_on_the_port_is_named(deaf_server):
    with pytest.raises(DeviceError, match="is not a policy server"):
        PolicyClient(port=deaf_server(metadata=b"\x00hello")).connect()


def test_host_without_an_address_is_named():
    with pytest.raises(DeviceError, match="policy_host is 'no-such-host.invalid', which has no address"):
        PolicyClient("no-such-host.invalid").connect()


def test_server_that_goes_away_is_one_line_and_can_come_back(start_server, observation):
    first = start_server()
    client = PolicyClient(port=first.port)
    client.connect()
    client.infer(observation, 5.0)
    first.stop()
    with pytest.raises(DeviceError, match="closed the connection"):
        for _ in range(1000):
            client.infer(observation, 5.0)
    assert not client.connected
    client.port = start_server().port
    client.connect()
    assert client.infer(observation, 5.0).actions.shape == (8, 7)
    client.close()


@pytest.mark.parametrize("actions", [np.full((2, 3), np.nan), np.zeros(3), np.zeros((2, 3), int), None])
def test_reply_that_cannot_be_run_is_refused(start_plain_server, actions):
    client = PolicyClient(port=start_plain_server().port)
    client.connect()
    with pytest.raises(DeviceError, match="actions of the reply"):
        client._read_reply(pack({"actions": actions}), 0.0, 0.0, 0.0)
    client.close()


def test_observation_that_cannot_be_sent_leaves_the_connection_open(start_server, observation):
    with PolicyClient(port=start_server().port) as client:
        with pytest.raises(WireFormatError):
            client.infer({**observation, "more": object()}, 5.0)
        assert client.infer(observation, 5.0).actions.shape == (8, 7)


def test_close_twice_and_before_connecting_is_harmless(start_server):
    client = PolicyClient(port=start_server().port)
    client.close()
    client.connect()
    client.close()
    client.close()
    assert not client.connected


def test_close_from_another_thread_ends_the_wait(start_server, gated_policy, observation):
    client = PolicyClient(port=start_server(gated_policy).port)
    client.connect()
    failure = []

    def ask():
        try:
            client.infer(observation, 20.0)
        except DeviceError as error:
            failure.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert gated_policy.entered.wait(5.0)
    client.close()
    thread.join(5.0)
    assert not thread.is_alive() and len(failure) == 1


def test_backoff_doubles_up_to_its_limit_and_starts_again():
    backoff = Backoff(0.2, 1.0)
    assert [backoff.next_s() for _ in range(4)] == pytest.approx([0.2, 0.4, 0.8, 1.0])
    backoff.reset()
    assert backoff.next_s() == 0.2


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program to make a certificate")
def test_tls_works_with_the_right_certificate_and_only_with_it(start_server, gated_policy, observation, tmp_path):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}"
    subprocess.run(command.split(), check=True, capture_output=True, timeout=60)
    server = start_server(gated_policy, tls=_tls_context(str(certificate), str(key)))
    client = PolicyClient(port=server.port, tls=ssl.create_default_context(cafile=str(certificate)))
    client.connect()
    with pytest.raises(DeadlineError):  # the watched socket is the encrypted one
        client.infer(observation, 0.05)
    gated_policy.gate.set()
    client.connect()
    assert client.infer(observation, 5.0).actions.shape == (8, 7)
    client.close()
    with pytest.raises(DeviceError, match="certificate verify failed"):
        PolicyClient(port=server.port, tls=ssl.create_default_context()).connect()


def test_settings_are_checked():
    with pytest.raises(ConfigurationError, match="policy_port is 0"):
        PolicyClient(port=0)
    with pytest.raises(ConfigurationError, match="connect_timeout_s is 0"):
        PolicyClient(connect_timeout_s=0)


def test_robot_side_imports_no_torch():
    code = (
        "import sys, policy_server.client, policy_server.wire_format, policy_server.contract, policy_server.observation, "
        "policy_server.action_chunking, policy_server.transforms; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
