"""The query language of fleet indexing, version 2017-09-30: text → :mod:`sekisho.logic.query`.

AWS IoT Developer Guide, Query syntax: terms, phrases, fields, prefixes, ranges, AND (also where nothing is
written), OR, NOT and -, grouping of terms and of a field's terms, backslash escapes. NOT binds closer than
AND, and AND closer than OR.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from sekisho.logic.query import (
    And,
    Everything,
    Exact,
    Exists,
    Leaf,
    Not,
    Or,
    Pattern,
    Query,
    QueryError,
    Range,
    fold,
    number_of,
)

BYTES = 1000
TERMS = 12
STARS, MARKS = 2, 5
"""``*`` and ``?`` of a term (AWS General Reference, Fleet indexing quotas)."""
LEADING, LEADING_LENGTH = 1, 100
"""Terms of a query that may begin with a wildcard, and the longest query with one (Query syntax)."""
DEPTH = 32
"""Parentheses within parentheses."""

# What ends a word; operators are looked for where a word would begin.
_ENDS = frozenset(' \t\n\r\f\v()[]{}":<>')
_UNSUPPORTED = {"^": "boosting (^)", "~": "fuzzy and proximity search (~)"}


class Char(NamedTuple):
    """A character of a word; a wildcard is one that was not escaped."""

    char: str
    wild: bool


Word = list[Char]


def parse(text: str) -> Query:
    """:raises QueryError: what is wrong, and where"""
    for position, char in enumerate(text, start=1):
        if char == "\0" or "\ud800" <= char <= "\udfff":
            raise QueryError("no value has this character", position)
    encoded = text.encode()
    if len(encoded) > BYTES:
        fitting = len(encoded[:BYTES].decode(errors="ignore"))
        raise QueryError(f"a query has at most {BYTES} bytes", fitting + 1)
    return _Parser(text).whole()


def _text(word: Word) -> str:
    return "".join(char.char for char in word)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._terms = 0
        self._leading = 0
        self._depth = 0

    # --- characters -----------------------------------------------------------------------------------------

    def _fail(self, what: str, at: int | None = None) -> NoReturn:
        raise QueryError(what, (self._at if at is None else at) + 1)

    def _peek(self, offset: int = 0) -> str:
        at = self._at + offset
        return self._text[at] if at < len(self._text) else ""

    def _space(self) -> None:
        while self._peek().isspace():
            self._at += 1

    def _take(self, word: str) -> bool:
        """Step over an operator that is a word of its own."""
        end = self._at + len(word)
        after = self._text[end : end + 1]
        if not self._text.startswith(word, self._at) or (
            after not in _ENDS and not after.isspace() and after
        ):
            return False
        self._at = end
        self._space()
        return True

    def _symbol(self, symbol: str) -> bool:
        if not self._text.startswith(symbol, self._at):
            return False
        self._at += len(symbol)
        self._space()
        return True

    def _word(self, closing: str = "") -> Word:
        """Characters up to one that ends a word, escapes resolved."""
        word: Word = []
        while (char := self._peek()) and not char.isspace() and char not in _ENDS and char not in closing:
            if char in _UNSUPPORTED:
                self._fail(f"{_UNSUPPORTED[char]} is not supported")
            if char == "\\":
                self._at += 1
                char = self._peek()
                if not char:
                    self._fail("a backslash at the end escapes nothing", self._at - 1)
                word.append(Char(char, False))
            else:
                word.append(Char(char, char in "*?"))
            self._at += 1
        return word

    def _phrase(self) -> str:
        """What is between quotes, escapes resolved; wildcards are ordinary characters there."""
        began = self._at
        self._at += 1
        found: list[str] = []
        while (char := self._peek()) != '"':
            if char == "\\":
                self._at += 1
                char = self._peek()
            if not char:
                self._fail("the phrase has no closing quote", began)
            found.append(char)
            self._at += 1
        self._at += 1
        if self._peek() in _UNSUPPORTED and self._peek():
            self._fail(f"{_UNSUPPORTED[self._peek()]} is not supported")
        return "".join(found)

    # --- the grammar ----------------------------------------------------------------------------------------

    def whole(self) -> Query:
        self._space()
        if not self._peek():
            self._fail("the query is empty")
        query = self._any(None)
        if self._peek():
            self._fail(f"unexpected {self._peek()}")
        return query

    def _any(self, field: str | None) -> Query:
        parts = [self._all(field)]
        while self._take("OR") or self._symbol("||"):
            parts.append(self._all(field))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self, field: str | None) -> Query:
        parts = [self._one(field)]
        while True:
            if not (self._take("AND") or self._symbol("&&")):
                if not self._peek() or self._peek() == ")" or self._text.startswith("||", self._at):
                    break
                began = self._at
                if self._take("OR"):
                    self._at = began
                    break
            parts.append(self._one(field))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self, field: str | None) -> Query:
        if self._take("NOT") or self._symbol("-") or self._symbol("!"):
            self._deeper()
            query: Query = Not(self._one(field))
            self._depth -= 1
            return query
        self._symbol("+")
        began = self._at
        for operator in ("AND", "OR", "&&", "||"):
            if self._take(operator):
                self._fail(f"{operator} needs a term on both sides", began)
        if self._peek() == "(":
            return self._group(field)
        if self._peek() == '"':
            return self._exact(field, self._phrase(), began)
        if field is not None and self._peek() in ("[", "{", "<", ">"):
            return self._valued(field)
        word = self._word()
        if not word:
            self._fail(f"unexpected {self._peek()}" if self._peek() else "a term is missing at the end")
        self._space()
        if self._peek() and self._peek() in ":<>":
            if any(char.wild for char in word):
                self._fail("the name of a field has no wildcards", began)
            if self._peek() == ":":
                self._at += 1
                self._space()
            return self._valued(_text(word))
        return self._term(field, word, began)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            self._fail(f"more than {DEPTH} levels of parentheses and NOT")

    def _group(self, field: str | None) -> Query:
        began = self._at
        self._deeper()
        self._symbol("(")
        if self._peek() == ")":
            self._fail("the parentheses are empty", began)
        query = self._any(field)
        if self._peek() != ")":
            self._fail("the parenthesis is not closed", began)
        self._symbol(")")
        self._depth -= 1
        return query

    def _valued(self, field: str) -> Query:
        """What stands after ``field:``, or is compared with the field."""
        began = self._at
        match self._peek():
            case "(":
                return self._group(field)
            case '"':
                return self._exact(field, self._phrase(), began)
            case "[" | "{":
                return self._range(field)
            case "<" | ">" as sign:
                return self._comparison(field, sign)
        word = self._word()
        if not word:
            self._fail(f"the field {field} has no value")
        return self._term(field, word, began)

    def _comparison(self, field: str, sign: str) -> Query:
        began = self._at
        self._at += 1
        equal = self._peek() == "="
        self._at += equal
        self._space()
        bound = self._bound("")
        if bound is None:
            self._fail("a comparison needs a value, not *", began)
        end = _ends(bound)
        return self._counted(
            Range(field, end, None, equal, False) if sign == ">" else Range(field, None, end, False, equal),
            began,
        )

    def _range(self, field: str) -> Query:
        began = self._at
        with_low = self._peek() == "["
        self._at += 1
        self._space()
        low = self._bound("]}")
        if not self._take("TO"):
            self._fail("a range has TO between its ends: [a TO b]")
        high = self._bound("]}")
        if self._peek() not in ("]", "}"):
            self._fail("the range is not closed by ] or }", began)
        with_high = self._peek() == "]"
        self._at += 1
        self._space()
        # Numbers if both are; a number and a word are compared as text.
        low_end, high_end = _ends(low), _ends(high)
        if isinstance(low_end, str) or isinstance(high_end, str):
            low_end = None if low is None else fold(low)
            high_end = None if high is None else fold(high)
        if low_end is None and high_end is None:
            return self._counted(Exists(field), began)
        return self._counted(Range(field, low_end, high_end, with_low, with_high), began)

    def _bound(self, closing: str) -> str | None:
        """One end of a range; None for ``*``."""
        began = self._at
        if self._peek() == '"':
            text = self._phrase()
        else:
            word = self._word(closing)
            if not word:
                self._fail("a value is missing")
            if word == [Char("*", True)]:
                self._space()
                return None
            if any(char.wild for char in word):
                self._fail("the ends of a range have no wildcards", began)
            text = _text(word)
        self._space()
        return text

    # --- terms ----------------------------------------------------------------------------------------------

    def _exact(self, field: str | None, text: str, began: int) -> Query:
        self._space()
        return self._counted(Exact(field, fold(text)), began)

    def _term(self, field: str | None, word: Word, began: int) -> Query:
        self._space()
        if not any(char.wild for char in word):
            return self._counted(Exact(field, fold(_text(word))), began)
        if word == [Char("*", True)]:
            return self._counted(Everything() if field is None else Exists(field), began)
        for wildcard, most in (("*", STARS), ("?", MARKS)):
            if word.count(Char(wildcard, True)) > most:
                self._fail(f"a term has at most {most} {wildcard}", began)
        if word[0].wild:
            self._leading += 1
            if self._leading > LEADING:
                self._fail("only one term of a query may begin with a wildcard", began)
            if len(self._text) > LEADING_LENGTH:
                self._fail(
                    f"a query with a wildcard before a term has at most {LEADING_LENGTH} characters",
                    began,
                )
        first = next(at for at, char in enumerate(word) if char.wild)
        like = "".join(_like(char) for char in word)
        plain = first == len(word) - 1 and word[first].char == "*"
        return self._counted(Pattern(field, fold(_text(word[:first])), like, plain), began)

    def _counted(self, leaf: Leaf, began: int) -> Leaf:
        self._terms += 1
        if self._terms > TERMS:
            self._fail(f"a query has at most {TERMS} terms", began)
        return leaf


def _ends(text: str | None) -> str | float | None:
    if text is None:
        return None
    number = number_of(text)
    return fold(text) if number is None else number


def _like(char: Char) -> str:
    if char.wild:
        return "%" if char.char == "*" else "_"
    return f"\\{char.char}" if char.char in "%_\\" else fold(char.char)
