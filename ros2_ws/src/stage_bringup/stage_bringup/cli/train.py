"""`stage train`: one trainer per method; its configuration class is its `--help`."""

from __future__ import annotations

import dataclasses
import importlib
from dataclasses import dataclass
from typing import Any

from stage_core.errors import ConfigurationError, nearest


@dataclass(frozen=True)
class Method:
    """Where a method is: its settings (a module without torch), its loader of setting files, and its function."""

    settings: str
    loader: str
    function: str
    summary: str


METHODS = {
    "bc": Method(
        "offline_rl.trainers.bc_config:BehaviourCloningConfig",
        "offline_rl.trainers.bc_config:load_training_config",
        "offline_rl.trainers.bc:train_bc",
        "behaviour cloning of recorded episodes: flow matching, or plain regression as the baseline",
    )
}
LATER_METHODS = ("awr", "tpo", "sta-tpo", "ppo", "sta-ppo", "srpo", "ipi", "stake", "sarm")


def main(arguments: list[str]) -> int:
    """Train with the method named first; the rest are options of its configuration, over those of `--config FILE`."""
    if not arguments or arguments[0] in ("--help", "-h"):
        print("usage: stage train METHOD [--config FILE] [options]        stage train METHOD --help for the options of one\n")
        for name, method in METHODS.items():
            print(f"  {name:<4} {method.summary}")
        print("\n  --config takes a bundled file of config/training by its name, or your own; options given beside it win")
        return 0 if arguments else 2
    method, rest = choose_method(arguments[0]), arguments[1:]
    file, rest = take_config(rest)
    settings = parse(method, arguments[0], file, rest)
    outcome = resolve(method.function)(settings)
    print(outcome if outcome is not None else "done")
    return 0


def choose_method(name: str) -> Method:
    """Return the method.

    Raises:
        ConfigurationError: If there is none of this name, or not in this version.
    """
    if name in LATER_METHODS:
        raise ConfigurationError(f'method "{name}" is not part of this version. Known: {", ".join(METHODS)}.')
    if name not in METHODS:
        raise ConfigurationError(f'there is no method "{name}" to train with. {nearest(name, METHODS)}')
    return METHODS[name]


def take_config(arguments: list[str]) -> tuple[str, list[str]]:
    """Return the value of `--config` ("" without) and the other arguments."""
    if "--config" not in arguments:
        return "", arguments
    place = arguments.index("--config")
    if place + 1 == len(arguments):
        raise ConfigurationError("--config has no value; expected a file of training settings.")
    return arguments[place + 1], arguments[:place] + arguments[place + 2 :]


def parse(method: Method, name: str, file: str, arguments: list[str]) -> Any:
    """Return the settings of a run from its file and the command line."""
    import tyro

    from stage_bringup.configuration_files import find_configuration

    kind = resolve(method.settings)
    options: dict[str, Any] = {}
    if file:
        path = find_configuration("training", file)
        required = [entry.name for entry in dataclasses.fields(kind) if entry.default is entry.default_factory is dataclasses.MISSING]
        options["default"] = with_missing(resolve(method.loader), path, required)
    return tyro.cli(kind, prog=f"stage train {name}", args=arguments, config=(tyro.conf.FlagCreatePairsOff,), **options)


def with_missing(load: Any, path: Any, required: list[str]) -> Any:
    """Return the file's settings; required fields it leaves open are asked for on the command line."""
    import tyro

    from stage_core.configuration import load_yaml

    absent = [name for name in required if name not in load_yaml(path)]
    settings = load(path, **{name: ["."] if name == "episodes" else "." for name in absent})
    return dataclasses.replace(settings, **dict.fromkeys(absent, tyro.MISSING))


def resolve(name: str) -> Any:
    """Return the object of `module:name`."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
