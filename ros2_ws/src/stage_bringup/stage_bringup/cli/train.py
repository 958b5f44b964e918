"""`stage train`: one trainer per method; its configuration class is its `--help`."""

from __future__ import annotations

import importlib

from stage_core.errors import ConfigurationError, nearest

# Method -> (module, configuration class, function).
METHODS = {"bc": ("offline_rl.trainers.bc", "BehaviourCloningConfig", "train_bc")}
LATER_METHODS = ("awr", "tpo", "sta-tpo", "ppo", "sta-ppo", "srpo", "ipi", "stake", "sarm")


def main(arguments: list[str]) -> int:
    """Train with the method named first; the rest are options of its configuration."""
    if not arguments or arguments[0] in ("--help", "-h"):
        print("usage: stage train METHOD [options]        stage train METHOD --help for the options of one\n")
        print("  bc   behaviour cloning of recorded episodes: flow matching, or plain regression as the baseline")
        return 0 if arguments else 2
    method, rest = arguments[0], arguments[1:]
    if method in LATER_METHODS:
        raise ConfigurationError(f'method "{method}" is not part of this version. Known: {", ".join(METHODS)}.')
    if method not in METHODS:
        raise ConfigurationError(f'there is no method "{method}" to train with. {nearest(method, METHODS)}')
    import tyro

    module_name, configuration_name, function_name = METHODS[method]
    module = importlib.import_module(module_name)
    configuration = tyro.cli(
        getattr(module, configuration_name),
        prog=f"stage train {method}",
        args=rest,
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    outcome = getattr(module, function_name)(configuration)
    if outcome is not None:
        print(f"wrote {outcome}" if not isinstance(outcome, dict) else outcome)
    return 0
