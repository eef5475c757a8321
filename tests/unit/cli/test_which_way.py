"""The guide in both languages says what `sekisho advise` says, and only commands that there are."""

import itertools
import re
from pathlib import Path

import pytest

import sekisho.cli.advise
import sekisho.cli.factory.manifest  # noqa: F401  # the commands add themselves
from sekisho.logic.advice import QUESTIONS, TITLES, Situation, advise
from sekisho.logic.advice_commands import Place, commands_for

DOCS = Path(__file__).parents[3] / "docs"
GUIDES = {name: (DOCS / name).read_text() for name in ("which-way.md", "which-way.ja.md")}
SITUATIONS = [
    Situation(*answers) for answers in itertools.product(*(answers for _, answers in QUESTIONS.values()))
]
EXAMPLES = {
    "manifest": "device no yes no vendor platform one",
    "sign": "device yes yes no none platform one",
    "make": "factory yes no no none platform one",
    "jitp": "device yes no no none own one",
    "trusted-user": "device no no yes none platform one",
    "claim": "device no no no none platform one",
}
"""The situation that each method is described for."""

guides = pytest.mark.parametrize("guide", GUIDES.values(), ids=GUIDES)


def sections(guide: str) -> dict[str, str]:
    """Each method's section by the method."""
    found = re.split(r"^## .*\(`([a-z-]+)`\)$|^## .*$", guide, flags=re.MULTILINE)[1:]
    return {method: text for method, text in zip(found[::2], found[1::2], strict=True) if method}


def decisions(guide: str) -> list[tuple[dict[str, set[str]], str]]:
    """The rows of the table that decides: what each column admits, and the method."""
    lines = guide.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| element |"))
    names = [cell.strip() for cell in lines[start].strip("|").split("|")][:-1]
    rows = []
    for line in itertools.takewhile(lambda line: line.startswith("|"), lines[start + 2 :]):
        *cells, method = (cell.strip() for cell in line.strip("|").split("|"))
        admitted = {
            name: set(cell.split(", ")) for name, cell in zip(names, cells, strict=True) if cell != "–"
        }
        rows.append((admitted, method.strip("`")))
    return rows


@guides
def test_the_table_decides_as_advise_does(guide):
    rows = decisions(guide)
    for at in SITUATIONS:
        fitting = [way for row, way in rows if all(getattr(at, name) in row[name] for name in row)]
        assert fitting[0] == advise(at).method, at
    assert all(row[name] <= set(QUESTIONS[name][1]) for row, _ in rows for name in row)


@guides
def test_every_question_and_answer_is_there(guide):
    for name, (_, answers) in QUESTIONS.items():
        (row,) = re.findall(rf"^\| `{name}`.*$", guide, re.MULTILINE)
        assert all(f"`{answer}`" in row for answer in answers)


@guides
def test_each_method_has_its_commands_and_questions(guide):
    found = sections(guide)
    assert found.keys() == TITLES.keys()
    for method, text in found.items():
        at = Situation(*EXAMPLES[method].split())
        advice = advise(at)
        assert advice.method == method
        (block,) = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        assert tuple(block.splitlines()) == commands_for(at, advice, Place("000000000000", "us-east-1"))
        (numbers,) = re.findall(r"(?:Questions|質問) (\d[\d, ]*\d)", text)
        assert tuple(int(number) for number in numbers.split(", ")) == advice.questions
