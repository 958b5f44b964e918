"""`stage tasks`: list the tasks, check a task file and say what is wrong at file:line, write a first own one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from stage_bringup.cli import output
from stage_bringup.cli.options import CommonOptions, FigureOptions
from stage_bringup.task_questions import Questions, answer_all
from stage_bringup.task_template import file_name, task_text
from stage_bringup.task_words import debounce_words, need_rows, stage_rows
from stage_core.errors import ConfigurationError

FamilyName = Literal["pick_place", "stack", "push", "pull", "lift_upright"]
GoalSource = Literal["taught", "tag", "pose", "none"]


@dataclass(frozen=True, kw_only=True)
class ListOptions(FigureOptions):
    """List the tasks that come with Stage, and those of your own in the folders or files named."""

    paths: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Task files of your own, or folders that hold some."""


@dataclass(frozen=True, kw_only=True)
class CheckOptions(FigureOptions):
    """Check task files: everything that is wrong, as file:line, or what each stage waits for. Exits with 1 where a file has errors."""

    files: tyro.conf.Positional[tuple[str, ...]]
    """Task files, or names of bundled tasks."""
    control_rate_hz: float = 20.0
    """Control steps per second of the robot, for times told in steps."""
    strict: bool = False
    """Count advice as errors."""


@dataclass(frozen=True, kw_only=True)
class NewOptions(CommonOptions):
    """Write a task file of your own. Asks what no option says; an empty answer takes the default in brackets."""

    file: tyro.conf.Positional[Path | None] = None
    """File to write; left out, NAME in small letters, here."""
    name: str | None = None
    """Name of the task, such as StackRedOnGreen."""
    family: FamilyName | None = None
    """What kind of task; it decides the stages."""
    instruction: str | None = None
    """What one would tell a person, and what the policy is told."""
    object: str | None = None
    """Name of the object that is moved."""
    size_mm: tuple[float, float, float] | None = None
    """The object's whole edge lengths along its own x, y, z, mm."""
    goal_source: GoalSource | None = None
    """Where the goal comes from."""
    goal_name: str | None = None
    """With tag or pose: the name under which the goal's poses come, on the topic objects/NAME."""
    goal_tolerance_mm: float | None = None
    """push, pull: radius of the goal region; pick_place: distance to the goal at success."""
    hold: bool | None = None
    """pick_place: the object is held at the goal, not let go."""
    lower_height_mm: float | None = None
    """stack with a tag on the object below: that object's height."""
    grasp_offset_mm: float | None = None
    """lift_upright: where to take hold, along the longest side from its middle."""
    timeout_s: float | None = None
    """An episode without success ends after this."""
    yes: bool = False
    """Ask nothing: take the defaults for what no option says."""
    replace: bool = False
    """Write over a file that exists."""


Options = (
    Annotated[ListOptions, tyro.conf.subcommand("list")]
    | Annotated[CheckOptions, tyro.conf.subcommand("check")]
    | Annotated[NewOptions, tyro.conf.subcommand("new")]
)


def main(arguments: list[str]) -> int:
    """Parse `stage tasks ...` and run it; without a word it lists."""
    options = tyro.cli(
        Options,  # type: ignore[arg-type]
        prog="stage tasks",
        description=__doc__,
        args=arguments or ["list"],
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    )
    return run(options)


def run(options: ListOptions | CheckOptions | NewOptions) -> int:
    """Run one of the three. Returns 1 where a checked file has errors, else 0."""
    if isinstance(options, ListOptions):
        return list_tasks(options)
    return check(options) if isinstance(options, CheckOptions) else new(options)


def list_tasks(options: ListOptions) -> int:
    """Print one row per task; a file that cannot be used has its first error in the row."""
    from stage_bringup.configuration_files import known_tasks
    from stage_core.task_check import check_task

    output.check_writable(options.json, "--json")
    rows, figures = [], []
    for file in (*known_tasks().values(), *_task_files(options.paths)):
        checked = check_task(file)
        task = checked.task
        if task is None:
            rows.append((file.stem, "-", f"{len(checked.findings)} errors; see: stage tasks check {file}", "-", str(file)))
            figures.append({"name": None, "file": file, "error": checked.findings[0].text})
            continue
        place = file.name if file in known_tasks().values() else str(file)
        rows.append((task.name, task.family, " → ".join((*task.stages, "success")), task.instruction, place))
        keys = {"name": task.name, "family": task.family, "stages": task.stages, "instructions": task.instructions}
        figures.append(keys | {"goal_source": task.goal.source, "timeout_s": task.timeout_s, "file": file})
    print(output.table(("task", "family", "stages", "instruction", "file"), rows))
    print("One of your own: stage tasks new")
    output.write_json(options.json, {"tasks": figures})
    return 0


def _task_files(paths: tuple[Path, ...]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
        elif path.is_file():
            files.append(path)
        else:
            raise ConfigurationError(f"{path} does not exist; expected a task file or a folder of task files. Check the path.")
    return files


def check(options: CheckOptions) -> int:
    """Print what is wrong with each file, or what its stages wait for and need."""
    output.check_writable(options.json, "--json")
    if not options.control_rate_hz > 0.0:
        raise ConfigurationError(f"--control-rate-hz is {options.control_rate_hz}; expected > 0. Take the workcell file's control_rate_hz.")
    if not options.files:
        raise ConfigurationError("no task file is named; expected one or more. Make one: stage tasks new")
    figures, failed = [], False
    for i, name in enumerate(options.files):
        if i:
            print()
        path = _path_of(name)
        wrong, figure = check_file(path, options.control_rate_hz)
        failed |= wrong or (options.strict and bool(figure["findings"]))
        figures.append(figure)
    output.write_json(options.json, {"files": figures})
    return int(failed)


def _path_of(name: str) -> Path:
    """Return a file of the user's own as written, so that file:line can be clicked, or a bundled task's file."""
    from stage_bringup.configuration_files import find_task

    return Path(name) if Path(name).exists() or "/" in name or name.endswith((".yaml", ".yml")) else find_task(name)


def check_file(path: Path, control_rate_hz: float = 20.0) -> tuple[bool, dict[str, Any]]:
    """Print one file's check; return whether it has errors, and the findings as plain data."""
    from stage_core.task_check import check_task

    checked = check_task(path)
    for finding in checked.findings:
        print(f"{path}:{finding.line}: {'error' if finding.is_error else 'advice'}: {finding.text}")
    errors = sum(finding.is_error for finding in checked.findings)
    figure = {"file": path, "findings": [asdict(finding) for finding in checked.findings], "errors": errors}
    if checked.task is None:
        print(f"{path}: {errors} error{'s' if errors != 1 else ''}; the task cannot be used yet.")
        return True, figure
    task = checked.task
    print(f'{path}: task {task.name}, family {task.family}: "{task.instruction}", at most {task.timeout_s:g} s')
    print(output.table(("stage", "entered when"), stage_rows(task)))
    print(debounce_words(task, control_rate_hz))
    print(output.table(("it needs", "from"), need_rows(task)))
    return False, figure


def new(options: NewOptions, ask: Callable[[str], str] = input) -> int:
    """Ask, write, check, and say what comes next. Nothing is written where an answer cannot be used."""
    from stage_core.task_check import check_task

    if options.file is not None:
        _check_target(options.file, options.replace)
    answers = answer_all(options, Questions(ask=None if options.yes else ask))
    path = options.file or Path(file_name(answers.name))
    _check_target(path, options.replace)
    # What was written is checked as any file is, before it takes its name.
    draft = output.write_atomically(path.with_name(f".{path.stem}.new.yaml"), task_text(answers))
    try:
        errors = [finding.text for finding in check_task(draft).findings if finding.is_error]
        if errors:
            raise ConfigurationError(f"the task would not be valid: {errors[0]} Nothing was written.")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    print(f"wrote {path}\n")
    check_file(path)
    print("\nNext:")
    steps = [(f"stage up WORKCELL --task {path}", "live stages, on stage/status and stage/events")]
    if answers.goal_source == "taught":
        steps.append((f"stage teach goal {path}", "meanwhile, with the arm driven to the goal; then start the graph again"))
    steps.append((f"stage tasks check {path}", "after every change"))
    width = max(len(command) for command, _ in steps)
    print("\n".join(f"  {command:<{width}}  {words}" for command, words in steps))
    return 0


def _check_target(path: Path, replace: bool) -> None:
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigurationError(f"the file is {path}; expected a name ending in .yaml, by which commands tell a file from a task's name.")
    output.check_writable(path, "the file")
    if path.exists() and not replace:
        raise ConfigurationError(f"{path} exists; expected a new file. Name another one, or give --replace.")
