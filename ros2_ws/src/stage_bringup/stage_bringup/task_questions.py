"""The questions of `stage tasks new`: each has an option that answers it, and a default. Start at `answer_all`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stage_bringup.task_template import Answers, check_name
from stage_bringup.task_words import FAMILY_WORDS, GOAL_WORDS
from stage_core.errors import ConfigurationError, nearest

MOST_TRIES = 5
_INSTRUCTIONS = {
    "pick_place": "pick up the {} and put it at the goal",
    "stack": "stack the {} on the other one",
    "push": "push the {} to the goal",
    "pull": "pull the {} to the goal",
    "lift_upright": "stand the {} upright",
}


@dataclass(frozen=True)
class Questions:
    """Asks one thing at a time; with `ask` None it takes every default.

    Attributes:
        ask: Shows a prompt and returns the line that was typed, as `input` does; None asks nothing.
    """

    ask: Callable[[str], str] | None

    def get(self, given: Any, option: str, question: str, default: str, read: Callable[[str], Any]) -> Any:
        """Return the option's value, or the answer, or the default.

        Args:
            given: The option's value; None where it was left out.
            option: Its name, for messages.
            question: What is asked.
            default: What an empty answer means, as it would be typed.
            read: Turns what was typed into a value, or raises ValueError with words.

        Raises:
            ConfigurationError: If the option cannot be used, or nobody answers.
        """
        if given is not None:
            return self._read(read, " ".join(map(str, given)) if isinstance(given, tuple) else str(given), option)
        if self.ask is None:
            return self._read(read, default, option)
        for _ in range(MOST_TRIES):
            try:
                typed = self.ask(f"{question} [{default}]: ").strip()
            except EOFError:
                raise ConfigurationError(f"nobody answers: {question}? Give --{option}, or --yes for all defaults.") from None
            try:
                return read(typed or default)
            except ValueError as error:
                print(f"  {error}")
        raise ConfigurationError(f"{MOST_TRIES} answers could not be used: {question}? Give --{option}; see: stage tasks new --help")

    @staticmethod
    def _read(read: Callable[[str], Any], text: str, option: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise ConfigurationError(f"--{option}: {error}") from None


def answer_all(options: Any, questions: Questions) -> Answers:
    """Return the answers, asked for in order where the options (`cli.tasks.NewOptions`) leave one out."""
    get = questions.get
    if questions.ask is not None and options.family is None:
        print("\n".join(f"  {name:<13} {words}" for name, words in FAMILY_WORDS.items()))
    family = get(options.family, "family", "What kind of task", "pick_place", _one_of(FAMILY_WORDS))
    thing = get(options.object, "object", "Name of the object that is moved", "cube", check_name)
    name = get(options.name, "name", "Name of the task", _task_name(family, thing), _own_name)
    instruction = get(options.instruction, "instruction", "What would you tell a person", _INSTRUCTIONS[family].format(thing), _words)
    size = "240 50 50" if family == "lift_upright" else "40 40 40"
    size_mm = get(options.size_mm, "size-mm", "Edge lengths along its own x, y, z, mm", size, _numbers(3, 0.0, 1000.0))
    source = "none" if family == "lift_upright" else ""
    if not source or options.goal_source is not None:
        if questions.ask is not None and options.goal_source is None:
            print("\n".join(f"  {word:<7} {meaning}" for word, meaning in GOAL_WORDS.items() if word != "none"))
        source = get(options.goal_source, "goal-source", "Where does the goal come from", "taught", _one_of(GOAL_WORDS))
    more = _of_the_family(options, questions, family, source, size_mm)
    timeout = get(options.timeout_s, "timeout-s", "Seconds until an episode is given up", "20", _numbers(1, 0.0, 600.0))[0]
    return Answers(
        name=name, family=family, instruction=instruction, object_name=thing, size_mm=size_mm, goal_source=source, timeout_s=timeout, **more
    )


def _of_the_family(options: Any, questions: Questions, family: str, source: str, size_mm: Sequence[float]) -> dict[str, Any]:
    """Return what only one family is asked for."""
    get, more = questions.get, {}
    if source in ("tag", "pose"):
        more["goal_name"] = get(options.goal_name, "goal-name", "Name of what marks the goal", "goal", check_name)
    if family in ("push", "pull"):
        question, default = "Radius of the goal region, mm", "100"
        more["goal_tolerance_mm"] = get(options.goal_tolerance_mm, "goal-tolerance-mm", question, default, _numbers(1, 0.0, 500.0))[0]
    if family == "pick_place":
        question = "How near to the goal is success, mm"
        more["goal_tolerance_mm"] = get(options.goal_tolerance_mm, "goal-tolerance-mm", question, "25", _numbers(1, 0.0, 400.0))[0]
        more["release"] = not get(options.hold, "hold", "Is it held at the goal, not let go (yes or no)", "no", _yes)
    if family == "stack" and source == "tag":
        question, default = "Height of the object below, mm", f"{size_mm[2]:g}"
        more["lower_height_mm"] = get(options.lower_height_mm, "lower-height-mm", question, default, _numbers(1, 0.0, 1000.0))[0]
    if family == "lift_upright":
        question = "Where to take hold, along the longest side from its middle, mm (minus: towards the other end)"
        default = f"{-0.4 * max(size_mm):g}"
        half = max(size_mm) / 2
        more["grasp_offset_mm"] = get(options.grasp_offset_mm, "grasp-offset-mm", question, default, _numbers(1, -half, half))[0]
    return more


def _task_name(family: str, thing: str) -> str:
    return "".join(part.capitalize() for part in ("my", *family.split("_"), *thing.split("_")) if part)


def _own_name(text: str) -> str:
    """A task's name that no bundled one has: by it commands find the file and logs are sorted."""
    from stage_bringup.configuration_files import known_tasks, plain_key

    taken = {plain_key(name): name for name in known_tasks()}
    if plain_key(check_name(text)) in taken:
        raise ValueError(f"{taken[plain_key(text)]} comes with Stage; expected another name, such as My{text}")
    return text


def _words(text: str) -> str:
    if not text.strip() or "\n" in text:
        raise ValueError("expected a sentence, such as: stack the red cube on the green one")
    return text.strip()


def _one_of(known: dict[str, str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"{text!r} is not one of them. {nearest(text, known)}")
        return text

    return read


def _yes(text: str) -> bool:
    if text.lower() not in ("yes", "y", "true", "no", "n", "false"):
        raise ValueError(f"{text!r} is neither yes nor no")
    return text.lower() in ("yes", "y", "true")


def _numbers(count: int, low: float, high: float) -> Callable[[str], tuple[float, ...]]:
    """Numbers in (low, high], or in [low, high] where `low` is negative."""

    def read(text: str) -> tuple[float, ...]:
        words = f"{count} numbers with spaces between, such as 40 40 40" if count > 1 else "a number, such as 25"
        try:
            values = tuple(float(part) for part in text.replace(",", " " if count > 1 else ".").replace("mm", " ").split())
        except ValueError:
            raise ValueError(f"{text!r} is not {words}") from None
        if len(values) != count:
            raise ValueError(f"{text!r} is not {words}")
        if not all((low < value or (low < 0.0 and value == low)) and value <= high for value in values):
            raise ValueError(f"{text!r} is out of range; expected {'>=' if low < 0.0 else '>'} {low:g} and <= {high:g}")
        return values

    return read
