"""From a method and a raw path to the operation, by the path templates of a model.

Source: Smithy, "HTTP binding traits" (labels, greedy labels, query literals, specificity).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import unquote, unquote_to_bytes

from sekisho.aws.errors import SerializationException
from sekisho.aws.text import pairs

T = TypeVar("T")

MAX_SEGMENTS = 256


class Template(NamedTuple):
    """``segments`` are (kind, text): a literal, a label, or a label that takes slashes too."""

    segments: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str | None], ...]


def parse_template(uri: str, greedy: str = "") -> Template:
    """Reads ``/things/{thingName}/shadow?name``; the label called ``greedy`` takes slashes without a plus.

    Raises ValueError for a label that is only a part of a segment.
    """
    path, _, query = uri.partition("?")
    segments = []
    for segment in path.removeprefix("/").split("/"):
        if segment.startswith("{") and segment.endswith("}"):
            name = segment[1:-1]
            bare = name.removesuffix("+")
            segments.append(("greedy" if bare != name or bare == greedy else "label", bare))
        elif "{" in segment:
            raise ValueError(f"a label that is only a part of a segment: {uri}")
        else:
            segments.append(("literal", segment))
    wanted = []
    for field in query.split("&"):
        key, equals, value = field.partition("=")
        if key:
            wanted.append((unquote(key), unquote(value) if equals else None))
    return Template(tuple(segments), tuple(wanted))


class Target(NamedTuple, Generic[T]):
    """What a path leads to, if the query has the wanted fields."""

    value: T
    labels: tuple[str, ...]
    query: tuple[tuple[str, str | None], ...]


class Node(Generic[T]):
    """A place in the tree of segments; literals are tried before the label, the greedy label last."""

    __slots__ = ("greedy", "label", "literals", "targets")

    def __init__(self) -> None:
        self.literals: dict[str, Node[T]] = {}
        self.label: Node[T] | None = None
        self.greedy: Node[T] | None = None
        self.targets: list[Target[T]] = []

    def child(self, kind: str, text: str) -> Node[T]:
        if kind == "literal":
            return self.literals.setdefault(text, Node())
        if kind == "label":
            self.label = self.label or Node()
            return self.label
        self.greedy = self.greedy or Node()
        return self.greedy


class Routes(Generic[T]):
    """The templates of one service. Paths stay encoded until they are split: ``%2F`` is part of one label."""

    def __init__(self) -> None:
        self._methods: dict[str, Node[T]] = {}

    def add(self, method: str, template: Template, value: T) -> None:
        node = self._methods.setdefault(method, Node())
        for kind, text in template.segments:
            node = node.child(kind, text)
        labels = tuple(text for kind, text in template.segments if kind != "literal")
        node.targets.append(Target(value, labels, template.query))
        node.targets.sort(key=lambda target: -len(target.query))

    def find(self, method: str, raw_path: str, query: str) -> tuple[T, dict[str, str]] | None:
        """The value of the most specific template, and its labels, percent-decoded.

        Raises SerializationException for a label that is not UTF-8.
        """
        root = self._methods.get(method)
        if root is None:
            return None
        segments = raw_path.removeprefix("/").split("/")
        if len(segments) > MAX_SEGMENTS:
            return None
        for node, taken in _walk(root, segments, 0, ()):
            for target in node.targets:
                if not target.query or _has(query, target.query):
                    labels = {name: _decoded(text) for name, text in zip(target.labels, taken, strict=True)}
                    return target.value, labels
        return None


def _walk(
    node: Node[T], segments: list[str], at: int, taken: tuple[str, ...]
) -> Iterator[tuple[Node[T], tuple[str, ...]]]:
    if at == len(segments):
        if node.targets:
            yield node, taken
        return
    segment = segments[at]
    if node.literals:
        child = node.literals.get(unquote(segment, errors="replace") if "%" in segment else segment)
        if child is not None:
            yield from _walk(child, segments, at + 1, taken)
    if node.label is not None and segment:
        yield from _walk(node.label, segments, at + 1, (*taken, segment))
    if node.greedy is not None:
        # A template that goes on after its greedy label says more than one that ends with it.
        for end in (*range(len(segments) - 1, at, -1), len(segments)):
            rest = "/".join(segments[at:end])
            if rest:
                yield from _walk(node.greedy, segments, end, (*taken, rest))


def _has(query: str, wanted: tuple[tuple[str, str | None], ...]) -> bool:
    found = pairs(query)
    return all(any(key == name and value in (None, text) for key, text in found) for name, value in wanted)


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        raise SerializationException("the path is not UTF-8") from None
