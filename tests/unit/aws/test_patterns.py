"""Java's patterns in Python: what matches there matches here."""

from __future__ import annotations

import pytest

from sekisho.aws.patterns import Untranslatable, compile_pattern
from unit.aws.shapes import SERVICES, service

# Pattern, then what java.util.regex.Pattern.matches accepts and refuses.
JAVA = [
    (r"[a-zA-Z0-9:_-]+", ["a-b:c_9"], ["", "a b", "ä", "a\n"]),
    (r"\d+", ["12"], ["١٢", "1\n"]),
    (r"\w+", ["aZ_9"], ["é", "日"]),
    (r"\s", [" ", "\t", "\x0b"], ["\xa0", "\u2003"]),
    (r"\S+", ["é日"], ["a b"]),
    (r"a.c", ["abc", "a😀c"], ["a\nc", "a\rc", "a\u2028c", "a\x85c"]),
    (r"(?s)a.c", ["a\nc"], ["ac"]),
    (r"(?i)abc", ["ABC"], ["ab"]),
    (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", ["日本 ü9", "", "\u2028"], ["a!", "a\nb", "😀"]),
    (r"[^\p{C}]+", ["日😀 a"], ["a\x00", "\x7f", "\u200b", "\ue000", "\ud800", "\U000f0000", "\U0007ffff"]),
    (r"\P{Lu}+", ["abc1"], ["aBc"]),
    (r"\pL\p{IsLu}", ["éB"], ["1B", "aa"]),
    (r"[\p{Graph}\x20]*", ["a ~!"], ["é", "\t"]),
    (r"[\p{Upper}\p{Digit}_]+", ["A_1"], ["a", "É"]),
    (r"[^\p{Cntrl}]*", ["é b"], ["\x1f", "\x7f"]),
    (r"\p{Punct}\p{Alpha}\p{XDigit}\p{Blank}", ["!zF\t", "~Za "], ["1zF ", "!zg "]),
    (r"[a-z&&[^aeiou]]+", ["xyz"], ["abc", "X"]),
    (r"[a-c[x-z]]+", ["axc"], ["d"]),
    (r"[a-z&&[def]&&[e]]", ["e"], ["d", "a"]),
    (r"[^a-z&&[^aeiou]]", ["a", "A"], ["b"]),
    (r"a*+b", ["aab"], ["aac"]),
    (r"a*+a", [], ["aaa"]),
    (r"(?>a|ab)c", ["ac"], ["abc"]),
    (r"x{2,3}?y", ["xxy"], ["xy"]),
    (r"(?<year>\d{4})-\k<year>", ["1999-1999"], ["1999-2000"]),
    (r"(a|b)\1", ["aa"], ["ab"]),
    (r"^(?!x)\p{Lower}$", ["a"], ["x", "a\n"]),
    (r"\Qa.b[\E+", ["a.b[", "a.b[["], ["axb["]),
    (r"\x41\x{1F600}\u00e9\t\0101\cA", ["A😀é\tA\x01"], ["A"]),
    (r"[\uD800\uDC00-\uDBFF\uDFFF]+", ["😀\U0010ffff"], ["a", "\uffff"]),
    (r"[\u0009\u000A\u000D\u0020-\u007E\u0085]+", ["a\n\x85"], ["\xa0"]),
    (r"\h\v\R", ["\xa0\x0b\r\n", "\t\n\u2028"], ["aa\n"]),
    (r"[!-~]+", ["[a]"], ["é"]),
    (r"[a-zA-Z0-9!_.*'()-\/]+", ["(a,b)/"], ["["]),
    (r"[]a]+", ["]a"], ["b"]),
    (r"[a\-z]", ["-", "z"], ["b"]),
    (r"[\w.-]+", ["a.-"], ["a/"]),
    (r"[a&b]+", ["&ab"], ["c"]),
    (r"[+--]", [",", "-"], ["."]),
    (r"[\[\]]", ["[", "]"], ["a"]),
    (r"a\Z", ["a"], ["b"]),
    (r"\Aa\z", ["a"], ["a\n"]),
    (r"https?://.*", ["http://x"], ["ftp://x", "http://x\n"]),
    (r"[\s\S]*", ["", "a\n\u2028😀"], []),
]


@pytest.mark.parametrize(("pattern", "accepted", "refused"), JAVA)
def test_means_the_same_as_in_java(pattern: str, accepted: list[str], refused: list[str]) -> None:
    compiled = compile_pattern(pattern)
    assert [text for text in accepted if not compiled.fullmatch(text)] == []
    assert [text for text in refused if compiled.fullmatch(text)] == []


UNTRANSLATABLE = [
    r"\p{IsAlphabetic}",
    r"\p{IsLatin}",
    r"\p{javaLowerCase}",
    r"[[:alpha:]]",
    r"a(?i)b",
    r"(?u)a",
    r"(?s:.)",
    r"\G",
    r"\X",
    r"\N{DIGIT ONE}",
    r"[a",
    r"[z-a]",
    r"(a",
    r"a{3,1}",
    r"\p{L",
    r"\x4",
    r"\x{110000}",
    r"\k<nothing",
    r"a**",
    "a\\",
]


@pytest.mark.parametrize("pattern", UNTRANSLATABLE)
def test_says_what_it_cannot_translate(pattern: str) -> None:
    with pytest.raises(Untranslatable):
        compile_pattern(pattern)


def test_the_patterns_that_are_not_checked_are_known() -> None:
    """Patterns of the services at hand that Python has no equal of: values are then not matched at all."""
    found = set()
    for name in SERVICES:
        for shape_name in service(name).model.shape_names:
            pattern = service(name).model.shape_for(shape_name).metadata.get("pattern")
            try:
                if pattern is not None:
                    compile_pattern(pattern)
            except Untranslatable:
                found.add((name, shape_name))
    assert found == set()
