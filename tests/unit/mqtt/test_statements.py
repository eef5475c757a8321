"""Every normative statement that applies is cited at a test (`statements.py` says how)."""

import re
from pathlib import Path

import pytest

from unit.mqtt.statements import DIFFERENT, FIVE, STATEMENTS, THREE, UNCITED

TESTS = Path(__file__).parents[2]
SOURCE = TESTS.parent / "src"
CITATION = re.compile(r"(3\.1\.1 )?MQTT-([0-9]+(?:\.[0-9]+)+-[0-9]+)")
ITSELF = {"statements.py", "test_statements.py"}


def citations(folder):
    """(version, number) -> the files that cite it."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        if path.name not in ITSELF:
            for older, number in CITATION.findall(path.read_text()):
                found.setdefault((THREE if older else FIVE, number), set()).add(path.name)
    return found


CITED = citations(TESTS)


def in_order(numbers):
    return sorted(numbers, key=lambda number: [int(part) for part in re.split(r"[.-]", number)])


def test_the_statements_are_as_many_as_the_appendices_list():
    assert {version: len(numbers) for version, numbers in STATEMENTS.items()} == {FIVE: 251, THREE: 141}


@pytest.mark.parametrize("version", [FIVE, THREE])
def test_every_statement_is_cited_or_has_its_reason(version):
    cited = {number for spoken, number in CITED if spoken == version}
    missing = STATEMENTS[version] - cited - set(UNCITED[version])
    assert in_order(missing) == []


@pytest.mark.parametrize("version", [FIVE, THREE])
def test_what_is_cited_exists_and_has_no_reason_not_to_be(version):
    cited = {number for spoken, number in CITED if spoken == version}
    assert in_order(cited - STATEMENTS[version]) == []
    assert in_order(set(UNCITED[version]) - STATEMENTS[version]) == []
    assert in_order(cited & set(UNCITED[version])) == []
    assert set(DIFFERENT[version]) <= cited


def test_what_the_source_cites_exists():
    cited = citations(SOURCE)
    unknown = {(version, number) for version, number in cited if number not in STATEMENTS[version]}
    assert unknown == set()
