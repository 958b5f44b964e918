"""`python -m policy_server` as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from policy_server.__main__ import main
from policy_server.client import PolicyClient
from policy_server.models.scripted import ScriptedPolicy


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_a_signal_and_exits_with_0(number, observation):
    environment = {**os.environ, "STAGE_API_KEY": "secret"}
    command = [sys.executable, "-m", "policy_server", "--policy", "scripted", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        line = process.stdout.readline()
        assert line.startswith("policy server ready: scripted on ws://127.0.0.1:"), process.stderr.read()
        with PolicyClient(port=int(line.rsplit(":", 1)[1]), api_key="secret") as client:
            assert np.array_equal(client.infer(observation, 10.0).actions, ScriptedPolicy().infer(observation)["actions"])
            process.send_signal(number)  # while a client is connected
            output, errors = process.communicate(timeout=20)
        assert (process.returncode, output, errors) == (0, "", "")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--policy", "scriptd"], 'Did you mean "scripted"'),
        (["--policy", "scripted", "--host", "0.0.0.0"], "there is no API key"),
        (["--policy", "scripted", "--port", "99999"], "--port is 99999"),
        (["--policy", "scripted", "--tls-key", "key.pem"], "belong together"),
        (["--policy", "scripted", "--tls-key", "none.pem", "--tls-certificate", "none.pem"], "cannot be used"),
        (["--checkpoint", "/nowhere"], "contract.json does not exist"),
    ],
)
def test_wrong_options_are_one_line_and_exit_code_1(arguments, words, capsys, monkeypatch):
    monkeypatch.delenv("STAGE_API_KEY", raising=False)
    assert main(arguments) == 1
    errors = capsys.readouterr().err
    assert words in errors and errors.count("\n") == 1
