"""The support bundle: what a report needs, no secret, no image unless asked."""

from __future__ import annotations

import zipfile

from stage_bringup.cli import main as stage
from stage_bringup.cli import support_bundle

TEXT = """name: cell
api_key: abc123
nested: {token: t0k3n, port: 8000}
prompt_key: prompt
password: "hunter2"
"""


def test_values_of_secret_keys_are_removed_and_the_rest_stays():
    cleaned = support_bundle.without_secrets(TEXT, ".yaml")
    assert "abc123" not in cleaned and "hunter2" not in cleaned and "t0k3n" not in cleaned
    assert "name: cell" in cleaned and "prompt_key: prompt" in cleaned and "port: 8000" in cleaned


def test_a_secret_in_a_log_line_or_a_broken_file_is_removed():
    line = "connecting with api_key=abc123 to ws://127.0.0.1, Authorization: Api-Key abc123"
    assert "abc123" not in support_bundle.without_secrets(line, ".log")
    assert "abc123" not in support_bundle.without_secrets("a: [1\napi_key: abc123\n", ".yaml")


def test_secret_variables_are_shown_as_set(monkeypatch):
    monkeypatch.setenv("STAGE_API_KEY", "abc123")
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    shown = support_bundle.environment()
    assert shown["STAGE_API_KEY"] == "(set)" and shown["ROS_DOMAIN_ID"] == "7"


def test_recordings_are_packed_only_where_asked(tmp_path):
    episode = tmp_path / "one"
    episode.mkdir()
    for name in ("episode.json", "metadata.yaml", "one_0.mcap"):
        (episode / name).write_text("{}")
    without = {file.name for file in support_bundle.episode_files(tmp_path, 3, with_recordings=False)}
    assert without == {"episode.json", "metadata.yaml"}
    assert "one_0.mcap" in {file.name for file in support_bundle.episode_files(tmp_path, 3, with_recordings=True)}


def test_bundle_holds_findings_configuration_and_episodes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "episodes" / "one").mkdir(parents=True)
    (tmp_path / "episodes" / "one" / "episode.json").write_text('{"task": "PushCube", "api_key": "abc123"}')
    assert stage.main(["support-bundle"]) == 0
    with zipfile.ZipFile("stage-support.zip") as bundle:
        names = set(bundle.namelist())
        content = b"".join(bundle.read(name) for name in names)
    assert {"doctor.json", "machine.json", "environment.json", "config/tasks/push_cube.yaml", "episodes/one/episode.json"} <= names
    assert b"abc123" not in content
