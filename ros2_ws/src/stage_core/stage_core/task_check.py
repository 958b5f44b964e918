"""Checks a task file and says everything that is wrong with it, line by line (`stage tasks check`).

`load_task` stops at the first error; this mends what it found in memory and looks on, with the same rules and the same
words. Start at `check_task`.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from stage_core.errors import ConfigurationError
from stage_core.task import FAMILIES, SCHEMA_VERSION, TaskConfig, task_from_mapping
from stage_core.task_advice import advice
from stage_core.task_hints import hint

MOST_FINDINGS = 100
# What stands in for a wrong or missing required key, so that the rest can be looked at.
_STAND_INS: dict[str, Any] = {
    "schema_version": SCHEMA_VERSION, "name": "task", "family": "push", "instructions": ["do it"], "timeout_s": 5.0,
    "objects": {"name": "object", "half_size_m": [0.02, 0.02, 0.02]}, "objects.name": "object",
    "objects.half_size_m": [0.02, 0.02, 0.02], "goal": {"source": "pose"}, "goal.source": "pose",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to know about a task file.

    Attributes:
        line: In the file, from 1.
        is_error: The file cannot be used; else it is advice.
        text: One sentence or more on one line.
    """

    line: int
    is_error: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class TaskCheck:
    """The outcome: the task, None while there are errors, and the findings in the order of lines."""

    task: TaskConfig | None
    findings: tuple[Finding, ...]


def check_task(path: str | Path) -> TaskCheck:
    """Return the task in a YAML file and everything that is wrong or odd about it.

    Raises:
        ConfigurationError: If the file cannot be read at all.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist; expected a task file. Make one: stage tasks new") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}. Is it a text file?") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return TaskCheck(task=None, findings=(_not_yaml(error),))
    if not isinstance(content, dict) or not isinstance(node, yaml.MappingNode):
        words = "the file is empty" if content is None else f"the file holds {type(content).__name__}"
        return TaskCheck(
            task=None, findings=(Finding(line=1, is_error=True, text=f"{words}; expected keys with values. Try: stage tasks new"),)
        )
    findings = _given_twice(node)
    task, wrong = _errors(content, node)
    findings += wrong
    if not findings and task is not None:
        findings = [Finding(line=_line_of(node, field), is_error=False, text=words) for field, words in advice(task, content)]
        return TaskCheck(task=task, findings=tuple(sorted(findings, key=lambda finding: finding.line)))
    return TaskCheck(task=None, findings=tuple(sorted(findings, key=lambda finding: finding.line)))


def _not_yaml(error: yaml.YAMLError) -> Finding:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    remedy = "Indent with spaces, not tabs" if "\\t" in problem else "Look at this line and the one above: a colon, quote or indentation"
    return Finding(line=1 if mark is None else mark.line + 1, is_error=True, text=f"this is not YAML: {problem}. {remedy}.")


def _given_twice(node: yaml.MappingNode, prefix: str = "") -> list[Finding]:
    """YAML's reader takes the last of two equal keys without a word."""
    findings, first = [], {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.value in first:
            text = f"{prefix}{key.value} is given twice, first in line {first[key.value]}; expected it once. Take one out."
            findings.append(Finding(line=line, is_error=True, text=text))
        first.setdefault(key.value, line)
        if isinstance(value, yaml.MappingNode):
            findings += _given_twice(value, f"{prefix}{key.value}.")
    return findings


def _errors(content: dict[str, Any], node: yaml.MappingNode) -> tuple[TaskConfig | None, list[Finding]]:
    """Read the task again and again, each time without what was wrong before."""
    source, findings = "task file", []
    mended = copy.deepcopy(content)
    while len(findings) < MOST_FINDINGS:
        try:
            return task_from_mapping(mended, source=source), findings
        except ConfigurationError as error:
            problem = str(error).removeprefix(f"{source}: ")
        problem = re.sub(r'(Did you mean "[^"]*"\?) Known: .*', r"\1", problem)  # the nearest one says enough
        field = re.match(r"[^\s:;]+", problem)[0]  # type: ignore[index]
        family = content.get("family")
        family = family if isinstance(family, str) and family in FAMILIES else mended.get("family")
        more = hint(re.sub(r"\[\d+\]", "", field), problem, _offending(content, field, problem), family)
        line = _line_of(node, field.rpartition(".")[0] if "is missing" in problem else field)
        findings.append(Finding(line=line, is_error=True, text=f"{problem} {more}".rstrip()))
        if not _mend(mended, field):
            break
    return None, findings


def _line_of(node: yaml.Node, field: str) -> int:
    """Return the line of a dotted field, or of the nearest thing around it that the file has."""
    line = node.start_mark.line + 1
    for part in re.findall(r"[^.\[\]]+", field):
        if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
            continue
        found = [pair for pair in node.value if _is_key(pair[0], part)] if isinstance(node, yaml.MappingNode) else []
        if not found:
            break
        line, node = found[-1][0].start_mark.line + 1, found[-1][1]
    return line


def _is_key(node: yaml.Node, name: str) -> bool:
    """Compare as the reader does, for which `on:` and `yes:` are True."""
    return node.value == name or str(yaml.safe_load(node.value) if isinstance(node, yaml.ScalarNode) and not node.style else None) == name


def _offending(content: Any, field: str, problem: str) -> Any:
    """Return the value of a field; of a list the entry that the message names."""
    value = content
    for part in re.findall(r"[^.\[\]]+", field):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict):
            value = next((entry for key, entry in value.items() if str(key) == part), None)
        else:
            return None
    if isinstance(value, list):
        shown = re.search(r" (?:is|has) (-?[\d.]+) m;", problem)
        return next((entry for entry in value if shown and isinstance(entry, (int, float)) and float(entry) == float(shown[1])), None)
    return value


def _mend(mended: dict[str, Any], field: str) -> bool:
    """Take what was wrong out, or put something right in its place; False if nothing changed."""
    plain = re.sub(r"\[.*", "", field)
    block, _, key = plain.rpartition(".")
    place = mended
    for part in block.split(".") if block else ():
        place = place.get(part)
        if not isinstance(place, dict):
            return False
    before = copy.deepcopy(place)
    stand_in = copy.deepcopy(_STAND_INS.get(plain))
    if plain == "family":
        close = get_close_matches(str(mended.get("family")), FAMILIES, n=1, cutoff=0.5)
        if not close:
            mended.pop("thresholds", None)  # which of them exist cannot be said without the family
        stand_in = close[0] if close else stand_in
    if stand_in is not None:
        place[key] = stand_in
    else:
        for name in [name for name in place if str(name) == key]:
            del place[name]
    return place != before
