"""`stage support-bundle`: one zip with what a bug report needs; no images and no keys unless asked."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from stage_bringup.cli import names, output
from stage_bringup.cli.options import CommonOptions
from stage_bringup.configuration_files import configuration_root
from stage_core.errors import ConfigurationError

# Names of secrets; `key`, `prompt_key` and `delta_keys` of a contract name observations and are none.
SECRET = re.compile(r"api[_-]?key|private[_-]?key|token|secret|passw|credential", re.IGNORECASE)
SECRET_IN_TEXT = re.compile(rf"(?P<name>[\w-]*(?:{SECRET.pattern})[\w-]*[\"']?\s*[:=]\s*|Api-Key\s+|Bearer\s+)[^\s,}}]+", re.IGNORECASE)
REMOVED = "(removed)"
ENVIRONMENT = re.compile(r"^(ROS_|RMW_|FASTRTPS_|FASTDDS_|CYCLONEDDS_|STAGE_|AMENT_|OMP_|VK_|CUDA_VISIBLE)")


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """Pack doctor's findings, the configuration, logs and the newest episodes' metadata into one zip."""

    output: Path = Path("stage-support.zip")
    """The zip file."""
    episode_root: Path = Path("episodes")
    """Directory of the episode logs."""
    episodes: int = 3
    """How many of the newest episodes' metadata to pack."""
    with_recordings: bool = False
    """Also pack those episodes' recordings, which hold camera images."""
    workcell: str = ""
    """A workcell file of your own to pack."""


def run(options: Options) -> int:
    """Pack and print what is inside."""
    if options.episodes < 0:
        raise ConfigurationError(f"--episodes is {options.episodes}; expected at least 0.")
    output.check_writable(options.output, "--output")
    own_workcell = names.resolve_workcell(options.workcell, "--workcell") if options.workcell else None
    from stage_bringup.doctor import run_checks
    from stage_bringup.report.summary import machine_facts

    print("looking at this machine ...", flush=True)
    findings = [asdict(finding) for finding in run_checks(options.episode_root.absolute(), 8000)]
    contents: dict[str, bytes] = {
        "doctor.json": as_json(findings),
        "machine.json": as_json(machine_facts()),
        "environment.json": as_json(environment()),
    }
    root = configuration_root()
    for file in sorted([*root.rglob("*.yaml"), *root.glob("*.xml")]):
        contents[f"config/{file.relative_to(root)}"] = without_secrets(file.read_text(encoding="utf-8"), file.suffix).encode()
    if own_workcell is not None:
        contents[f"config/own/{own_workcell.name}"] = without_secrets(
            own_workcell.read_text(encoding="utf-8"), own_workcell.suffix
        ).encode()
    for file in episode_files(options.episode_root, options.episodes, with_recordings=options.with_recordings):
        data = file.read_bytes()
        text = file.suffix in (".json", ".yaml", ".log", ".txt")
        contents[f"episodes/{file.relative_to(options.episode_root)}"] = (
            without_secrets(data.decode("utf-8", "replace"), file.suffix).encode() if text else data
        )
    output.write_atomically(options.output, packed(contents))
    for name in contents:
        print(f"  {name}")
    kept = "with recordings, which hold images" if options.with_recordings else "no images"
    print(f"wrote {options.output}: {len(contents)} files, {kept}. Look through it before you send it.")
    return 0


def packed(contents: dict[str, bytes]) -> bytes:
    """Return a zip file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return file.getvalue()


def environment() -> dict[str, str]:
    """Return the variables that change how the graph behaves; those that name a secret are shown as set, not with their value."""
    return {name: "(set)" if SECRET.search(name) else value for name, value in sorted(os.environ.items()) if ENVIRONMENT.match(name)}


def without_secrets(text: str, suffix: str) -> str:
    """Return the text of a file without the values of secrets.

    YAML and JSON are read and written again, so that no layout hides a value; comments go. Other text, and files that
    cannot be read, lose whatever follows the name of a secret on its line.

    Args:
        text: The file's content.
        suffix: `.yaml`, `.json`, or that of any other text file.
    """
    if suffix in (".yaml", ".yml", ".json"):
        try:
            content = redacted(yaml.safe_load(text))
        except yaml.YAMLError:
            return SECRET_IN_TEXT.sub(lambda match: match.group("name") + REMOVED, text)
        return json.dumps(content, indent=2, default=str) if suffix == ".json" else yaml.safe_dump(content, sort_keys=False)
    return SECRET_IN_TEXT.sub(lambda match: match.group("name") + REMOVED, text)


def redacted(value: Any) -> Any:
    """Return nested lists and mappings with the values of secret keys replaced."""
    if isinstance(value, dict):
        return {key: REMOVED if SECRET.search(str(key)) else redacted(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [redacted(entry) for entry in value]
    return value


def episode_files(root: Path, count: int, *, with_recordings: bool) -> list[Path]:
    """Return the metadata files of the newest episodes, and their recordings where asked."""
    if not root.is_dir() or count == 0:
        return []
    directories = sorted((file.parent for file in root.rglob("episode.json")), key=lambda directory: directory.stat().st_mtime)[-count:]
    wanted = ("*.json", "*.yaml", "*.log", "*.mcap") if with_recordings else ("*.json", "*.yaml", "*.log")
    return [file for directory in directories for pattern in wanted for file in sorted(directory.glob(pattern))]


def as_json(value: object) -> bytes:
    """Return JSON bytes."""
    return json.dumps(output.jsonable(value), indent=2).encode()
