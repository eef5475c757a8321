"""The models' patterns are Java's; here they become Python's.

Source: java.util.regex.Pattern, "Summary of regular-expression constructs".
"""

from __future__ import annotations

import re
from functools import lru_cache

from sekisho.aws import charsets
from sekisho.aws.charsets import CharSet


class Untranslatable(ValueError):
    """The pattern uses something of Java's that Python has no equal of."""


@lru_cache(maxsize=2048)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Java's pattern as Python's, for ``fullmatch``. Raises :class:`Untranslatable`."""
    try:
        return re.compile(_Translator(pattern).translate(), re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise Untranslatable(f"{pattern}: {error}") from None


CLASSES: dict[str, CharSet] = {
    "d": charsets.DIGIT,
    "s": charsets.SPACE,
    "w": charsets.WORD,
    "h": charsets.chars(" \t\xa0\u1680\u180e\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))),
    "v": charsets.chars("\n\x0b\f\r\x85\u2028\u2029"),
}
CONTROLS = {"t": 9, "n": 10, "r": 13, "f": 12, "a": 7, "e": 27}
ANCHORS = {
    "A": r"\A",
    "b": r"\b",
    "B": r"\B",
    "z": r"\Z",
    "Z": r"(?=\n?\Z)",
    "R": r"(?:\r\n|[\n-\r\x85\u2028\u2029])",
}
ANY = charsets.to_class(charsets.invert(charsets.LINE_ENDS))
GROUP = re.compile(r"\(\?(?:<([A-Za-z][A-Za-z0-9]*)>|(<=|<!|=|!|:|>)|([im]*(?:-[im]+)?:))")
FLAGS = re.compile(r"\(\?([ims]+)\)")


class _Translator:
    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0

    def translate(self) -> str:
        out = []
        dot = ANY
        if flags := FLAGS.match(self.text):
            out.append(flags.group())
            dot = "." if "s" in flags.group(1) else ANY
            self.at = flags.end()
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\":
                out.append(self._escape())
            elif char == "[":
                self.at += 1
                out.append(charsets.to_class(self._class()))
            elif char == ".":
                self.at += 1
                out.append(dot)
            elif self.text.startswith("(?", self.at):
                out.append(self._group())
            else:
                self.at += 1
                out.append(char)
        return "".join(out)

    def _fail(self, what: str) -> Untranslatable:
        return Untranslatable(f"{self.text}: {what}")

    def _group(self) -> str:
        found = GROUP.match(self.text, self.at)
        if found is None:
            raise self._fail(f"the group at {self.at}")
        self.at = found.end()
        name = found.group(1)
        return f"(?P<{name}>" if name else found.group()

    def _escape(self) -> str:
        """An escape outside of a class."""
        letter = self.text[self.at + 1 : self.at + 2]
        if letter in ANCHORS:
            self.at += 2
            return ANCHORS[letter]
        if letter == "Q":
            end = self.text.find("\\E", self.at)
            quoted = self.text[self.at + 2 : end if end >= 0 else None]
            self.at = end + 2 if end >= 0 else len(self.text)
            return re.escape(quoted)
        if letter == "k":
            named = re.compile(r"\\k<([A-Za-z][A-Za-z0-9]*)>").match(self.text, self.at)
            if named is None:
                raise self._fail("a reference to no group")
            self.at = named.end()
            return f"(?P={named.group(1)})"
        if letter in tuple("123456789"):
            self.at += 2
            return f"\\{letter}(?:)"
        found = self._class_escape()
        return charsets.to_class(found) if found is not None else re.escape(chr(self._char()))

    def _class_escape(self) -> CharSet | None:
        """A set spelled with a backslash, or None (and nothing consumed) if it is a single character."""
        letter = self.text[self.at + 1 : self.at + 2]
        if letter.lower() in CLASSES:
            self.at += 2
            found = CLASSES[letter.lower()]
            return charsets.invert(found) if letter.isupper() else found
        if letter not in ("p", "P"):
            return None
        if self.text[self.at + 2 : self.at + 3] == "{":
            end = self.text.find("}", self.at)
            name = self.text[self.at + 3 : end]
            if end < 0:
                raise self._fail("an unclosed property")
            self.at = end + 1
        else:
            name = self.text[self.at + 2 : self.at + 3]
            self.at += 3
        found = self._property(name)
        return charsets.invert(found) if letter == "P" else found

    def _property(self, name: str) -> CharSet:
        if name in charsets.POSIX:
            return charsets.POSIX[name]
        try:
            return charsets.category(
                name.removeprefix("general_category=").removeprefix("gc=").removeprefix("Is")
            )
        except KeyError:
            raise self._fail(f"the property {name}") from None

    def _char(self) -> int:
        """The code point of one character, escaped or not."""
        char = self.text[self.at]
        self.at += 1
        if char != "\\":
            return ord(char)
        letter = self.text[self.at : self.at + 1]
        self.at += 1
        if letter in CONTROLS:
            return CONTROLS[letter]
        if letter == "0":
            return self._digits(r"[0-3]?[0-7]{1,2}", 8)
        if letter == "x":
            if self.text[self.at : self.at + 1] == "{":
                code = self._digits(r"\{[0-9A-Fa-f]{1,6}\}", 16)
                if code > charsets.LAST:
                    raise self._fail("a character beyond Unicode")
                return code
            return self._digits(r"[0-9A-Fa-f]{2}", 16)
        if letter == "u":
            return self._utf16()
        if letter == "c":
            self.at += 1
            return ord(self.text[self.at - 1 : self.at] or "@") ^ 64
        if not letter or (letter.isascii() and letter.isalnum()):
            raise self._fail(f"the escape \\{letter}")
        return ord(letter)

    def _utf16(self) -> int:
        code = self._digits(r"[0-9A-Fa-f]{4}", 16)
        low = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})").match(self.text, self.at)
        if 0xD800 <= code <= 0xDBFF and low is not None:
            self.at = low.end()
            return 0x10000 + ((code - 0xD800) << 10) + int(low.group(1), 16) - 0xDC00
        return code

    def _digits(self, form: str, base: int) -> int:
        found = re.compile(form).match(self.text, self.at)
        if found is None:
            raise self._fail("a character's number")
        self.at = found.end()
        return int(found.group().strip("{}"), base)

    def _class(self) -> CharSet:
        """A class after its opening bracket: union, ranges, nested classes and ``&&``."""
        negated = self.text.startswith("^", self.at)
        self.at += negated
        sides: list[list[CharSet]] = [[]]
        first = True
        while True:
            if self.at >= len(self.text):
                raise self._fail("an unclosed class")
            char = self.text[self.at]
            if char == "]" and not first:
                self.at += 1
                break
            first = False
            if char == "[":
                sides[-1].append(self._posix_or_class())
            elif self.text.startswith("&&", self.at):
                self.at += 2
                sides.append([])
            else:
                sides[-1].append(self._item())
        found = charsets.union(sides[0])
        for side in sides[1:]:
            found = charsets.intersect(found, charsets.union(side))
        return charsets.invert(found) if negated else found

    def _posix_or_class(self) -> CharSet:
        if self.text.startswith("[:", self.at):
            # Java takes [[:alpha:]] for the letters "alph" and a colon; no author has meant that.
            raise self._fail("a POSIX bracket class")
        self.at += 1
        return self._class()

    def _item(self) -> CharSet:
        if self.text[self.at] == "\\":
            found = self._class_escape()
            if found is not None:
                return found
        low = self._char()
        rest = self.text[self.at : self.at + 2]
        if len(rest) < 2 or rest[0] != "-" or rest[1] in "[]":
            return ((low, low),)
        before = self.at
        self.at += 1
        if rest[1] == "\\" and self._class_escape() is not None:
            self.at = before
            return ((low, low),)
        high = self._char()
        if high < low:
            raise self._fail("a range that runs backwards")
        return ((low, high),)
