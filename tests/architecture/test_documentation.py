"""The documentation is true where a program can tell: links lead somewhere, commands and targets exist, every file has its line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted((ROOT / "docs").rglob("*.md"))
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def page_name(page: Path) -> str:
    """Return a page's name below the root, for the test's identifier."""
    return str(page.relative_to(ROOT))


def make_targets() -> dict[str, str]:
    """Return the Makefile's targets with their help."""
    return dict(re.findall(r"^([a-z][a-z-]*):.*## (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_relative_links_lead_to_files(page):
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if "://" not in link]
    assert [link for link in links if link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_make_target_and_stage_command_that_is_mentioned_exists(page):
    from stage_bringup.cli.main import COMMANDS

    text = page.read_text()
    code = re.findall(r"`([^`\n]+)`", text) + [
        line for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]
    targets = [found for line in code for found in re.findall(r"\bmake ([a-z][a-z-]*)", line)]
    assert sorted(set(targets) - set(make_targets())) == []
    # Optional words in braces or brackets stand for several commands; a word after the command is its own affair.
    commands = [
        found for line in code for found in re.findall(r"^(?:\.venv/bin/python -m stage_bringup\.cli\.main|stage) ([a-z][a-z-]*)", line)
    ]
    assert sorted(set(commands) - set(COMMANDS)) == []


def test_make_help_lists_every_target_that_a_user_calls():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE).group(1).split()
    assert [target for target in phony if f"make {target} " not in listed] == []
    assert {"setup", "demo", "test", "check", "bench", "evidence", "docs"} <= set(make_targets())


def test_the_two_commands_stand_on_the_readmes_first_screen():
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:25])
    assert "make demo" in first_screen and "make test" in first_screen and "docs/images/demo.png" in first_screen


def test_continuous_integration_runs_the_readmes_test_command():
    assert re.search(r"^step test \d+ make test$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


def test_every_source_file_has_its_line_in_the_architecture_page():
    listed = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "list_files.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert listed.returncode == 0, listed.stderr


@pytest.mark.parametrize("decision", DECISIONS, ids=page_name)
def test_a_decision_is_short_and_says_context_choice_and_cost(decision):
    text = decision.read_text()
    assert len(text.splitlines()) < 40
    assert text.startswith(f"# {int(decision.name[:4])}. ")
    parts = (r"\*\*Context\.\*\*", r"\*\*(?:Choice|Decision)\.\*\*", r"\*\*(?:Cost|What it costs)\.\*\*")
    assert [part for part in parts if not re.search(part, text)] == []


def test_decisions_are_numbered_without_a_gap():
    assert [int(decision.name[:4]) for decision in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_the_safety_statement_stands_in_the_readme():
    assert "A stop in software is not a safety function" in (ROOT / "README.md").read_text()
