"""The house: which room may import which, what the pure rooms must not know, how long a file may be."""

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "sekisho"
TESTS = Path(__file__).parents[1]

MAY_IMPORT = {
    "mqtt": set(),
    "aws": set(),
    "logic": set(),
    "store": set(),
    "objects": set(),
    "clock": set(),
    "workers": set(),
    "config": set(),
    "openssl": set(),
    "keyring": {"tokens"},
    "tokens": set(),
    "bus": {"mqtt"},
    "functions": {"logic", "workers"},
    "services": {"aws.errors", "logic", "store", "objects", "bus", "mqtt", "clock", "functions.interface"},
    "actions": {"bus", "logic", "store"},
    "broker": {"mqtt", "bus", "store", "logic", "services", "aws.errors", "functions.interface"},
    "web": {"aws", "services", "broker", "objects", "store"},
    "operations": {"aws", "services"},
}
"""Room → what of ours it may import besides itself; cli, tasks, app and its pieces may import anything."""

ANYTHING = {"cli", "tasks", "app", "data_folder", "doors", "__init__"}
PURE = ("mqtt", "aws", "logic")
FORBIDDEN = {"asyncio", "socket", "ssl", "time", "select", "threading"}
LONGEST = 400


def files():
    return sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            if node.module == "sekisho":
                yield from (f"sekisho.{alias.name}" for alias in node.names)
            else:
                yield node.module


def ids(path):
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", files(), ids=ids)
def test_a_room_imports_only_what_it_may(path):
    room = room_of(path)
    if room in ANYTHING:
        return
    for name in imports(ast.parse(path.read_text())):
        if not name.startswith("sekisho.") or name == "sekisho.__version__":
            continue
        of_ours = name.removeprefix("sekisho.")
        target = of_ours.split(".")[0]
        allowed = target == room or target in MAY_IMPORT[room] or of_ours in MAY_IMPORT[room]
        assert allowed, f"{room} must not import {name}"


@pytest.mark.parametrize("path", [p for p in files() if room_of(p) in PURE], ids=ids)
def test_the_pure_rooms_know_no_loop_no_socket_and_no_clock(path):
    tree = ast.parse(path.read_text())
    for name in imports(tree):
        assert name.split(".")[0] not in FORBIDDEN, f"imports {name}"
    asynchronous = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert not any(isinstance(node, asynchronous) for node in ast.walk(tree))


@pytest.mark.parametrize("path", files(), ids=ids)
def test_a_file_says_what_it_is_and_stays_readable(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert text.count("\n") <= LONGEST, "split it"


def test_test_files_stay_readable_too():
    """Not what other people's packages bring along."""
    own = [path for path in TESTS.rglob("*.py") if "node_modules" not in path.parts]
    assert len(own) > 300
    assert [str(path) for path in own if path.read_text().count("\n") > LONGEST] == []


COMPILED = ("mqtt", "broker", "bus", "clock")
KEYWORDS = {"_asm", "_const", "_imag", "_inline", "_real", "_signed", "_thread", "_typeof", "_volatile"}
"""Attributes that mypyc would give names that are keywords of GNU C: it puts an underscore before each."""


@pytest.mark.parametrize("path", [p for p in files() if room_of(p) in COMPILED], ids=ids)
def test_no_attribute_becomes_a_keyword_of_c(path):
    names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert not names & KEYWORDS


def test_every_room_is_in_the_table():
    assert {room_of(path) for path in files()} <= MAY_IMPORT.keys() | ANYTHING


def test_the_document_has_the_same_table():
    table = {}
    for line in (SOURCE.parents[1] / "ARCHITECTURE.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rooms = [name.removesuffix(".py").removesuffix("/") for name in re.findall("`([^`]+)`", cells[0])]
        if len(cells) == 3 and rooms:
            table |= dict.fromkeys(
                rooms, ANYTHING if cells[2] == "anything" else set(re.findall("`([^`]+)`", cells[2]))
            )
    assert {room: may for room, may in table.items() if may is not ANYTHING} == MAY_IMPORT
    assert {room for room, may in table.items() if may is ANYTHING} == ANYTHING - {"__init__"}
