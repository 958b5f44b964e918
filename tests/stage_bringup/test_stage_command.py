"""The `stage` command: quick help, one-line errors, exit codes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time

import pytest

from stage_bringup.cli import main as stage
from stage_bringup.cli.collect import failure_cycle
from stage_core.errors import ConfigurationError

HEAVY = ("torch", "mani_skill", "sapien", "rclpy", "av", "pinocchio")


@pytest.mark.parametrize("command", stage.COMMANDS)
def test_help_of_each_command_is_shown(command, capsys):
    try:
        code = stage.dispatch([command, "--help"])
    except SystemExit as end:
        code = end.code
    assert code == 0
    assert f"stage {command}" in capsys.readouterr().out


def test_help_imports_nothing_heavy_and_is_quick():
    lines = [
        "import sys",
        "from stage_bringup.cli import main as stage",
        "for command in stage.COMMANDS:",
        "    try: stage.dispatch([command, '--help'])",
        "    except SystemExit: pass",
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)",
    ]
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stderr
    assert time.monotonic() - start < 20.0  # about 1 s for all on an idle machine; the limit is for a busy one


def test_overview_names_every_command(capsys):
    assert stage.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in stage.COMMANDS)


def test_no_command_shows_the_overview_and_fails(capsys):
    assert stage.main([]) == 2
    assert "usage: stage" in capsys.readouterr().out


def test_an_error_is_one_line_on_stderr(capsys):
    assert stage.main(["demmo"]) == 1
    captured = capsys.readouterr()
    assert captured.err.strip().count("\n") == 0
    assert 'Did you mean "demo"?' in captured.err
    assert captured.out == ""


def test_debug_shows_the_traceback(capsys):
    assert stage.main(["bench", "nothing", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_debug_may_stand_before_the_command(capsys):
    assert stage.main(["--debug", "bench", "nothing"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_bench_list_names_every_entry_and_writes_json(tmp_path, capsys):
    assert stage.main(["bench", "list", "--json", str(tmp_path / "list.json")]) == 0
    listed = json.loads((tmp_path / "list.json").read_text())
    assert {"monitor", "overhead", "sim-bridge", "process-kill", "reproducibility"} <= {entry["name"] for entry in listed}
    shown = capsys.readouterr().out
    assert all(entry["name"] in shown for entry in listed)


def test_failures_are_spread_evenly_over_the_asked_share():
    cycle = failure_cycle(("miss", "drop"), 0.4)
    assert len(cycle) == 20
    assert sum(failure != "" for failure in cycle) == 8  # 0.4 · 20
    assert cycle.count("miss") == cycle.count("drop") == 4
    assert "miss" in cycle[:10] and "drop" in cycle[:10]


def test_without_failures_every_episode_is_left_alone():
    assert failure_cycle((), 0.4) == ("",)


def test_serve_ends_with_code_0_on_ctrl_c():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "stage_bringup.cli.main", "serve", "--policy", "scripted", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert "policy server ready: scripted" in server.stdout.readline()
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=20)
    assert server.returncode == 0
    assert "Traceback" not in errors


def test_env_prints_exports_for_the_only_graph_that_runs():
    from stage_bringup.cli.env import choose_domain

    assert choose_domain(None, [42]) == 42
    assert choose_domain(None, []) is None
    assert choose_domain(7, [42, 43]) == 7


def test_env_asks_which_of_several_graphs():
    from stage_bringup.cli.env import choose_domain

    with pytest.raises(ConfigurationError, match=r"2 graphs run .* \[42, 43\]; name one: stage env --domain 42"):
        choose_domain(None, [42, 43])


def test_env_finds_a_running_graph_by_its_lease(monkeypatch):
    from stage_bringup.cli.env import running_domains
    from stage_bringup.isolation import lease_domain

    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    lease = lease_domain()
    try:
        assert lease.domain_id in running_domains()
    finally:
        lease.close()
    assert lease.domain_id not in running_domains()
