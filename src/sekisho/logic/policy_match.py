"""Patterns of policies: parsed once, filled with values, matched without a regular expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from sekisho.logic.json_text import shown

# A request's variables: one value, or several (IAM User Guide, "Single-valued vs. multivalued context keys").
Value = str | Sequence[str]
Lookup = Callable[[str], "Value | None"]

# IAM User Guide, "Policy elements: Variables and tags": ${name}, ${name, 'default'}; escapes ${*} ${?} ${$}.
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_ESCAPES = frozenset("*?$")
_INDEXED = re.compile(r"(.+)\.(\d{1,3}|list)")


class Variable(NamedTuple):
    """``${name}`` or ``${name, 'default'}`` in a pattern."""

    name: str
    default: str | None


class Wildcard(NamedTuple):
    """``*`` (many) or ``?`` (one character)."""

    many: bool


STAR = Wildcard(True)
ONE = Wildcard(False)
Token = str | Variable | Wildcard


class Pattern(NamedTuple):
    """What a policy says, as literals, variables and wildcards; ``text`` is how it was written."""

    text: str
    tokens: tuple[Token, ...]

    @property
    def variables(self) -> tuple[Variable, ...]:
        return tuple(token for token in self.tokens if isinstance(token, Variable))


def parse_pattern(text: str, *, variables: bool = True, wildcards: bool = True) -> Pattern:
    """Split a pattern into tokens.

    ``variables`` is false for policies of version 2008-10-17, in which ``${…}`` is literal text (IAM User
    Guide, "Version"); ``wildcards`` is false for operators that compare whole values. What looks like a
    variable but is not one (``${`` without an end, ``${}``) is literal text.
    """
    if text and "*" not in text and "?" not in text and "$" not in text:
        return Pattern(text, (text,))
    tokens: list[Token] = []
    position = 0
    for match in _VARIABLE.finditer(text) if variables else ():
        inner = match.group(1)
        if not inner.strip():
            continue
        _literals(tokens, text[position : match.start()], wildcards)
        position = match.end()
        if inner in _ESCAPES:
            tokens.append(inner)
        else:
            tokens.append(_variable(inner))
    _literals(tokens, text[position:], wildcards)
    return Pattern(text, tuple(_joined(tokens)))


def variable_names(text: str) -> list[str]:
    """The names of the variables that `parse_pattern` finds in a text."""
    inner = (match.group(1) for match in _VARIABLE.finditer(text))
    return [_variable(one).name for one in inner if one.strip() and one not in _ESCAPES]


def _variable(inner: str) -> Variable:
    name, comma, rest = inner.partition(",")
    rest = rest.strip()
    if comma and len(rest) > 1 and rest[0] == rest[-1] == "'":
        return Variable(name.strip(), rest[1:-1])
    return Variable(inner.strip(), None)


def _literals(tokens: list[Token], text: str, wildcards: bool) -> None:
    if not wildcards:
        tokens.append(text)
        return
    for piece in re.split(r"([*?])", text):
        if piece == "*":
            tokens.append(STAR)
        elif piece == "?":
            tokens.append(ONE)
        elif piece:
            tokens.append(piece)


def _joined(tokens: Iterable[Token]) -> list[Token]:
    """Neighbouring literals as one, empty ones gone, runs of ``*`` as one."""
    found: list[Token] = []
    for token in tokens:
        if isinstance(token, str):
            if not token:
                continue
            if found and isinstance(found[-1], str):
                found[-1] += token
                continue
        elif token == STAR and found and found[-1] == STAR:
            continue
        found.append(token)
    return found


def fold_name(name: str) -> str:
    """A variable's or condition key's name for comparing.

    Names ignore case (IAM User Guide, "Condition": condition key names are not case-sensitive); the name of a
    thing's attribute in ``Attributes[name]`` keeps its own, as the registry tells ``Color`` from ``color``.
    """
    head, bracket, tail = name.partition("[")
    return head.lower() + bracket + tail


def base_name(name: str) -> str:
    """``key`` of a folded ``key.1`` or ``key.list``, else ''."""
    head, _, tail = name.rpartition(".")
    return head if tail == "list" or tail.isdigit() else ""


def find_value(values: dict[str, Value], name: str) -> Value | None:
    """The value of a folded name in a mapping with folded names.

    For a key with several values the name with ``.1`` is the second and ``.List`` all of them (AWS IoT
    Developer Guide, "X.509 Certificate AWS IoT Core policy variables"), spelled out in the mapping or not.
    """
    found = values.get(name)
    if found is not None:
        return found
    indexed = _INDEXED.fullmatch(name)
    several = values.get(indexed.group(1)) if indexed else None
    if indexed is None or several is None or isinstance(several, str):
        return None
    if indexed.group(2) == "list":
        return several
    index = int(indexed.group(2))
    return several[index] if 0 < index < len(several) else None


def fill(pattern: Pattern, lookup: Lookup) -> tuple[tuple[Token, ...], tuple[str, ...]]:
    """The tokens with variables replaced by literal values, and the names that have no value.

    A value's own ``*`` and ``?`` are literal. A variable with several values stands for its first one. An
    unresolved variable stays in the tokens: such a pattern matches nothing.
    """
    tokens: list[Token] = []
    missing: list[str] = []
    for token in pattern.tokens:
        if isinstance(token, Variable):
            value = lookup(token.name)
            if value is not None and not isinstance(value, str):
                value = value[0] if value else None
            if value is None:
                value = token.default
            if value is None:
                missing.append(token.name)
                tokens.append(token)
            else:
                tokens.append(value)
        else:
            tokens.append(token)
    return tuple(_joined(tokens)), tuple(missing)


def written(tokens: Iterable[Token]) -> str:
    """Filled tokens as a reader of policies would write them."""
    parts = []
    for token in tokens:
        if isinstance(token, Variable):
            parts.append("${" + token.name + "}")
        elif isinstance(token, Wildcard):
            parts.append("*" if token.many else "?")
        else:
            parts.append(token)
    return "".join(parts)


# A run between two stars: literal chunks with exactly one free character between neighbours.
_Run = tuple[str, ...]


class Glob(NamedTuple):
    """A pattern with wildcards and no variables: runs that follow each other with ``*`` between them."""

    runs: tuple[_Run, ...]

    def matches(self, text: str) -> bool:
        """Whether the whole of ``text`` matches; ``*`` any run, ``?`` any one character, ``/`` included."""
        runs = self.runs
        first = runs[0]
        if not _run_at(first, text, 0):
            return False
        start = _length(first)
        if len(runs) == 1:
            return start == len(text)
        last = runs[-1]
        end = len(text) - _length(last)
        if end < start or not _run_at(last, text, end):
            return False
        for run in runs[1:-1]:
            at = _find_run(run, text, start, end)
            if at < 0:
                return False
            start = at + _length(run)
        return True


def _length(run: _Run) -> int:
    return sum(map(len, run)) + len(run) - 1


def _run_at(run: _Run, text: str, at: int) -> bool:
    if at + _length(run) > len(text):
        return False
    for chunk in run:
        if not text.startswith(chunk, at):
            return False
        at += len(chunk) + 1
    return True


def _find_run(run: _Run, text: str, start: int, end: int) -> int:
    """The leftmost place in ``text[start:end]``; leftmost suffices, as what follows only wants room."""
    if len(run) == 1:
        return text.find(run[0], start, end)
    latest = end - _length(run)
    while start <= latest:
        at = text.find(run[0], start, end)
        if at < 0 or at > latest:
            return -1
        if _run_at(run, text, at):
            return at
        start = at + 1
    return -1


def glob(tokens: Iterable[Token]) -> Glob:
    """Make a `Glob` of tokens that hold no variable."""
    runs: list[_Run] = []
    run = [""]
    for token in tokens:
        if isinstance(token, str):
            run[-1] += token
        elif token == STAR:
            runs.append(tuple(run))
            run = [""]
        elif isinstance(token, Wildcard):
            run.append("")
        else:
            raise ValueError(f"{shown(token.name)} has no value")
    runs.append(tuple(run))
    return Glob(tuple(runs))


class Patterns(NamedTuple):
    """Several patterns at once, the common shapes first: everything, equal, begins with, anything else."""

    everything: bool
    equal: Collection[str]
    beginnings: tuple[str, ...]
    globs: tuple[Glob, ...]

    def matches(self, text: str) -> bool:
        if self.everything or text in self.equal or text.startswith(self.beginnings):
            return True
        return any(one.matches(text) for one in self.globs) if self.globs else False


def compile_patterns(patterns: Iterable[tuple[Token, ...]]) -> Patterns:
    """Compile filled patterns; those with an unresolved variable match nothing.

    IAM User Guide, "Policy variables with no value": the resource that includes one does not match any.
    """
    everything = False
    equal: list[str] = []
    beginnings: list[str] = []
    globs: list[Glob] = []
    for tokens in patterns:
        if any(isinstance(token, Variable) for token in tokens):
            continue
        first = tokens[0] if tokens else ""
        if len(tokens) < 2 and isinstance(first, str):
            equal.append(first)
        elif len(tokens) == 1 and first == STAR:
            everything = True
        elif len(tokens) == 2 and isinstance(first, str) and tokens[1] == STAR:
            beginnings.append(first)
        else:
            globs.append(glob(tokens))
    # A few are compared as quickly in a tuple, which is a quarter of the size.
    few = len(equal) <= 8
    return Patterns(everything, tuple(equal) if few else frozenset(equal), tuple(beginnings), tuple(globs))
