"""What the models demand of members, checked and told in AWS's manner.

A failure reads ``Value 'x' at 'thingName' failed to satisfy constraint: Member must …``. Values of sensitive
shapes, and whatever looks like a key, are never repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from sekisho.aws.patterns import Untranslatable, compile_pattern

Path = tuple[Any, ...]
"""A linked list ``(outer path, name)``, the empty tuple at the root: cheap to make, told only on failure."""

Check = Callable[[Any, Path, "Failures"], None]

SHOWN = 100
"""Characters of a value that are repeated."""

TOLD = 10
"""Failures that are spelled out; all are counted."""

_SECRET_NAME = re.compile(r"secret|password|private_?key|keypair|credential|ownershiptoken", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    # PEM, or forty and more characters of Base64 in which all kinds occur, as in keys and tokens.
    r"-----BEGIN|PRIVATE KEY"
    r"|(?<![A-Za-z0-9+/])(?=[a-z0-9+/]*[A-Z])(?=[A-Z0-9+/]*[a-z])(?=[A-Za-z+/]*[0-9])[A-Za-z0-9+/]{40}"
)

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "character": (str,),
    "integer": (int,),
    "long": (int,),
    "short": (int,),
    "byte": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "boolean": (bool,),
    "blob": (bytes, bytearray, memoryview),
    "list": (list, tuple),
    "map": (Mapping,),
    "structure": (Mapping,),
}
SIZED = ("string", "character", "blob", "list", "map")


class Failures:
    """What was wrong: all of it counted, the first few spelled out."""

    __slots__ = ("count", "texts")

    def __init__(self) -> None:
        self.count = 0
        self.texts: list[str] = []

    def add(self, value: Any, path: Path, constraint: str, secret: bool) -> None:
        """Note one failure; a value that is secret, by its shape, name or looks, is not repeated."""
        self.count += 1
        if self.count > TOLD:
            return
        where = _spelled(path)
        if value is None:
            subject = "Value null"
        else:
            shown = None if secret or _SECRET_NAME.search(where) else _shown(value)
            subject = "Value" if shown is None else f"Value '{shown}'"
        self.texts.append(f"{subject} at '{where}' failed to satisfy constraint: {constraint}")

    def told(self) -> str:
        """The message of a validation error."""
        count = f"{self.count} validation error{'s' if self.count > 1 else ''} detected: "
        return count + "; ".join(self.texts) + ("; …" if self.count > TOLD else "")


def _spelled(path: Path) -> str:
    names: list[str] = []
    while path:
        names.append(_cut(str(path[1])))
        path = path[0]
    return ".".join(reversed(names))


def _cut(text: str) -> str:
    if _SECRET_VALUE.search(text[:10_000]):
        return "***"
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _shown(value: Any) -> str | None:
    """A value as it may be repeated, or None."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) or (isinstance(value, int) and value.bit_length() < 256):
        return str(value)
    if isinstance(value, str):
        text = _cut(value)
        return None if text == "***" else text
    if isinstance(value, (list, tuple)):
        items = [_shown(item) for item in value[:SHOWN]]
        return None if None in items else _cut(f"[{', '.join(str(item) for item in items)}]")
    return None


NULL = "Member must not be null"


class Checks:
    """The checks of one service's shapes, made when first asked for."""

    def __init__(self) -> None:
        self._structures: dict[tuple[str, bool], StructureCheck] = {}

    def check(self, shape: Shape, secret: bool = False) -> Check:
        """What appends to a list of failures whatever is wrong with a value of this shape."""
        secret = secret or bool(shape.metadata.get("sensitive"))
        match shape:
            case StructureShape():
                return self._structure(shape, secret)
            case ListShape():
                return ListCheck(shape, self.check(shape.member, secret), secret)
            case MapShape():
                return MapCheck(shape, self.check(shape.key, secret), self.check(shape.value, secret), secret)
        if shape.serialization.get("jsonvalue"):
            return _nothing
        return ScalarCheck(shape, secret)

    def _structure(self, shape: StructureShape, secret: bool) -> Check:
        if shape.is_document_type:
            return _nothing
        key = (shape.name, secret)
        found = self._structures.get(key)
        if found is None:
            found = self._structures[key] = StructureCheck(shape, self, secret)
        return found


def _nothing(value: Any, path: Path, failures: Failures) -> None:
    """Documents and header JSON have no constraints of their own."""


class Sized:
    """The type and the ``min`` and ``max`` of a shape."""

    __slots__ = ("maximum", "minimum", "name", "secret", "sized", "types")

    def __init__(self, shape: Shape, secret: bool) -> None:
        self.secret = secret
        self.name = shape.type_name
        self.types = TYPES[shape.type_name]
        self.sized = shape.type_name in SIZED
        self.minimum = shape.metadata.get("min")
        self.maximum = shape.metadata.get("max")

    def fits(self, value: Any, path: Path, failures: Failures) -> bool:
        """False if nothing further can be asked of the value: it has another type, or is too long."""
        typed = isinstance(value, self.types) and (self.name == "boolean" or not isinstance(value, bool))
        if not typed:
            failures.add(value, path, _typed(value, self.name), self.secret)
            return False
        if self.minimum is None and self.maximum is None:
            return True
        amount = len(value) if self.sized else value
        what = "length" if self.sized else "value"
        if self.minimum is not None and not amount >= self.minimum:
            text = f"Member must have {what} greater than or equal to {self.minimum}"
            failures.add(value, path, text, self.secret)
        if self.maximum is not None and not amount <= self.maximum:
            text = f"Member must have {what} less than or equal to {self.maximum}"
            failures.add(value, path, text, self.secret)
            return False
        return True


def _typed(value: Any, name: str) -> str:
    return NULL if value is None else f"Member must be of type {name}"


class ScalarCheck(Sized):
    __slots__ = ("_enum", "_pattern", "_regex")

    def __init__(self, shape: Shape, secret: bool) -> None:
        super().__init__(shape, secret)
        self._enum = tuple(shape.metadata.get("enum", ()))
        self._pattern: str | None = shape.metadata.get("pattern")
        self._regex: re.Pattern[str] | None = None

    def __call__(self, value: Any, path: Path, failures: Failures) -> None:
        # A string that is too long is not matched as well: some patterns backtrack.
        if not self.fits(value, path, failures):
            return
        if self._enum and value not in self._enum:
            text = f"Member must satisfy enum value set: [{', '.join(self._enum)}]"
            failures.add(value, path, text, self.secret)
        if self._pattern is not None and not self._matches(value):
            text = f"Member must satisfy regular expression pattern: {self._pattern}"
            failures.add(value, path, text, self.secret)

    def _matches(self, value: str) -> bool:
        if self._regex is None:
            try:
                self._regex = compile_pattern(str(self._pattern))
            except Untranslatable:
                # A test holds which patterns these are; of the services that the node offers, none.
                self._regex = compile_pattern("[\\s\\S]*")
        return self._regex.fullmatch(value) is not None


class ListCheck(Sized):
    __slots__ = ("_check",)

    def __init__(self, shape: ListShape, check: Check, secret: bool) -> None:
        # A list that is too long is told with its items.
        super().__init__(shape, secret or bool(shape.member.metadata.get("sensitive")))
        self._check = check

    def __call__(self, value: Any, path: Path, failures: Failures) -> None:
        if self.fits(value, path, failures):
            for number, item in enumerate(value, 1):
                self._check(item, (path, f"{number}.member"), failures)


class MapCheck(Sized):
    __slots__ = ("_key", "_value")

    def __init__(self, shape: MapShape, key: Check, value: Check, secret: bool) -> None:
        super().__init__(shape, secret)
        self._key = key
        self._value = value

    def __call__(self, value: Any, path: Path, failures: Failures) -> None:
        if not self.fits(value, path, failures):
            return
        for key, item in value.items():
            self._key(key, (path, "key"), failures)
            self._value(item, (path, "***.member" if self.secret else f"{key}.member"), failures)


class StructureCheck:
    """Required members are there, and every member is as its own shape says."""

    __slots__ = ("_checks", "_members", "_required", "_secret", "_shape")

    def __init__(self, shape: StructureShape, checks: Checks, secret: bool) -> None:
        self._shape = shape
        self._checks = checks
        self._secret = secret
        self._required = tuple(shape.required_members)
        self._members: dict[str, Check] | None = None

    def _compile(self) -> dict[str, Check]:
        # Not before the first use: a shape may contain itself.
        self._members = {
            name: self._checks.check(member, self._secret) for name, member in self._shape.members.items()
        }
        return self._members

    def __call__(self, value: Any, path: Path, failures: Failures) -> None:
        if not isinstance(value, Mapping):
            failures.add(value, path, _typed(value, "structure"), self._secret)
            return
        members = self._members if self._members is not None else self._compile()
        for name in self._required:
            if value.get(name) is None:
                failures.add(None, (path, name), NULL, self._secret)
        for name, item in value.items():
            if item is None:
                continue
            check = members.get(name)
            if check is not None:
                check(item, (path, name), failures)
