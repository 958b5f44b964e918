"""Policies by name, folder and module:Class."""

from __future__ import annotations

import json
import sys

import pytest

from policy_server.loading import POLICIES, checkpoints, load_checkpoint, load_policy
from policy_server.models.scripted import ScriptedPolicy
from stage_core.configuration import load_class
from stage_core.errors import ConfigurationError

OWN = """
from policy_server.models.scripted import ScriptedPolicy
class FromFolder(ScriptedPolicy):
    @classmethod
    def from_checkpoint(cls, folder):
        return cls()
class NoFolder:
    contract = None
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "policy_of_a_user.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "policy_of_a_user"
    sys.modules.pop("policy_of_a_user", None)


@pytest.fixture
def checkpoint(tmp_path, own_module):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "contract.json").write_text(json.dumps(ScriptedPolicy().contract.to_dict()))
    (folder / "config.json").write_text(json.dumps({"policy_class": f"{own_module}:FromFolder"}))
    return folder


def test_every_registered_policy_exists():
    for name in POLICIES:
        assert callable(load_class(name, POLICIES, what="policy"))


def test_every_bundled_checkpoint_has_a_contract_that_can_be_read():
    from policy_server.contract import load_contract

    for name, folder in checkpoints().items():
        assert load_contract(folder / "contract.json").policy_name, name


def test_policy_by_name_and_by_class(own_module):
    assert isinstance(load_policy("scripted"), ScriptedPolicy)
    assert type(load_policy(f"{own_module}:FromFolder")).__name__ == "FromFolder"


def test_checkpoint_folder_is_loaded_by_the_class_it_names(checkpoint):
    assert type(load_policy(checkpoint)).__name__ == "FromFolder"


def test_unknown_name_gives_the_nearest():
    with pytest.raises(ConfigurationError, match='Did you mean "scripted"'):
        load_policy("scriptd")


def test_class_that_is_no_policy_is_refused(own_module):
    with pytest.raises(ConfigurationError, match="is NoFolder; expected a Policy"):
        load_policy(f"{own_module}:NoFolder")


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("config.json", None, "config.json does not exist"),
        ("config.json", "{", "config.json is not JSON"),
        ("config.json", "{}", "policy_class is None"),
        ("config.json", '{"policy_class": "policy_of_a_user:NoFolder"}', "has no from_checkpoint"),
        ("contract.json", None, "contract.json does not exist"),
        ("contract.json", '{"policy_name": "other"}', "cameras is missing"),
        ("contract.json", json.dumps({**ScriptedPolicy().contract.to_dict(), "policy_name": "other"}), "is not the one in contract.json"),
    ],
)
def test_broken_checkpoint_is_named(checkpoint, file, content, words):
    if content is None:
        (checkpoint / file).unlink()
    else:
        (checkpoint / file).write_text(content)
    with pytest.raises(ConfigurationError, match=words):
        load_checkpoint(checkpoint)
