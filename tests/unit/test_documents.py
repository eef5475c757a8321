"""The documents name what there is: links, headings, files, commands, targets of make."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from sekisho.cli import whole

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
WITHIN = [
    ROOT,
    *(ROOT / "src" / "sekisho" / room for room in ("", "services", "broker", "web")),
    *(ROOT / "tests" / folder for folder in ("", "api", "interop")),
]
"""Where a file may be that is named without its folder."""

OF_USERS = {"kettles.py"}
"""Files that a page has its reader write."""

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pages
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pages
def test_files_that_are_named_are_there(page):
    for name in re.findall(r"`([\w/*.-]+\.(?:py|sh|sql|md|mjs|toml))`", page.read_text()):
        assert name in OF_USERS or any(list(folder.glob(name)) for folder in WITHIN), name


def command_lines(text: str) -> list[list[str]]:
    """The words behind each ``sekisho`` in a page's blocks of shell."""
    found = []
    for block in re.findall(r"^ *```sh[^\n]*\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            called = re.match(r'(?:sudo |eval "\$\()?(?:[\w./-]*/)?sekisho ([^)]*)', line)
            if called is not None:
                found.append(shlex.split(called[1], comments=True))
    return found


def parse(words: list[str]) -> None:
    """Parse a command line as the program would, without running it."""
    command = typer.main.get_command(whole())
    while hasattr(command, "commands"):
        assert words and words[0] in command.commands, f"{words} is no command"
        command = command.commands[words[0]]
        words = words[1:]
    command.make_context(command.name, list(words))


@pages
def test_commands_are_such_as_sekisho_knows(page):
    for words in command_lines(page.read_text()):
        parse(words)


def test_there_are_commands_in_the_guides():
    for name in ("which-way.md", "which-way.ja.md", "factory.md", "accounts.md"):
        assert len(command_lines((ROOT / "docs" / name).read_text())) > 1


@pages
def test_commands_within_the_text_are_such_too(page):
    known = typer.main.get_command(whole()).commands
    for words in re.findall(r"`(?:[\w./-]*/)?sekisho ([a-z][a-z -]*)", page.read_text()):
        first, _, rest = words.partition(" ")
        assert first in known, words
        further = getattr(known[first], "commands", None)
        second = rest.split(" ")[0]
        assert further is None or not second or second in further, words


@pages
def test_targets_of_make_are_there(page):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.MULTILINE):
        assert target in targets, target
