"""Names of tasks, workcells and policies on the command line."""

from __future__ import annotations

import pytest

from stage_bringup.cli import names
from stage_bringup.configuration_files import known_tasks
from stage_core.errors import ConfigurationError


@pytest.mark.parametrize("written", ["PushCube", "push_cube", "push-cube", "pushcube"])
def test_a_task_is_found_however_it_is_written(written):
    assert names.resolve_task(written) == "PushCube"


def test_every_task_of_the_readme_is_bundled():
    assert {"PushCube", "PullCube", "PickCube", "StackCube", "LiftPegUpright"} <= set(known_tasks())


@pytest.mark.parametrize("workcell", ["fake", "maniskill"])
def test_the_bundled_workcells_are_found(workcell):
    assert names.resolve_workcell(workcell).is_file()


def test_a_running_server_is_a_policy():
    assert names.resolve_policy("127.0.0.1:8000") == "127.0.0.1:8000"


def test_a_class_of_the_users_own_is_a_policy():
    assert names.resolve_policy("my_lab.policy:MyPolicy") == "my_lab.policy:MyPolicy"


def test_a_port_out_of_range_is_refused():
    with pytest.raises(ConfigurationError, match="--policy is localhost:99999; expected a port from 1 to 65535"):
        names.resolve_policy("localhost:99999")


def test_a_folder_without_a_contract_is_no_checkpoint(tmp_path):
    with pytest.raises(ConfigurationError, match=r"--policy: checkpoint .* has no contract\.json"):
        names.resolve_policy(str(tmp_path))
