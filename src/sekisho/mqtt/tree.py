"""Which subscriptions a topic reaches: a tree of filter levels, with the answers kept."""

from collections.abc import Hashable
from typing import Generic, TypeVar

S = TypeVar("S")


class _Node(Generic[S]):
    __slots__ = ("below", "children", "here")

    def __init__(self) -> None:
        self.children: dict[str, _Node[S]] = {}
        """Literal level, or `+`, -> the node under it."""
        self.here: dict[Hashable, S] = {}
        """Entries whose filter ends at this node."""
        self.below: dict[Hashable, S] = {}
        """Entries whose filter ends in `#` under this node."""


class TopicTree(Generic[S]):
    """Entries (filter, key) -> sink, and the sinks of the entries whose filter matches a topic.

    `hash_matches_parent` says whether `sensor/#` matches `sensor`. Filters come checked and without `$share`;
    keys are unique per filter. Answers are kept per topic until an entry that could change them comes or
    goes; `budget` bounds what is kept, in topics plus sinks.
    """

    def __init__(self, hash_matches_parent: bool = False, budget: int = 100_000) -> None:
        self._root: _Node[S] = _Node()
        self._parent = hash_matches_parent
        self._size = 0
        self._kept: dict[str, tuple[S, ...]] = {}
        self._kept_size = 0
        self._budget = budget

    def __len__(self) -> int:
        """The number of entries."""
        return self._size

    def add(self, filter: str, key: Hashable, sink: S) -> bool:
        """Enter a sink under a filter and a key, replacing one that is there; whether the entry is new."""
        levels = filter.split("/")
        tail = levels[-1] == "#"
        if tail:
            levels.pop()
        node = self._root
        for level in levels:
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        entries = node.below if tail else node.here
        new = key not in entries
        entries[key] = sink
        self._size += new
        self._forget(filter)
        return new

    def remove(self, filter: str, key: Hashable) -> bool:
        """Take an entry out; whether it was there. Branches left empty are pruned."""
        levels = filter.split("/")
        tail = levels[-1] == "#"
        if tail:
            levels.pop()
        path: list[tuple[_Node[S], str]] = []
        node = self._root
        for level in levels:
            child = node.children.get(level)
            if child is None:
                return False
            path.append((node, level))
            node = child
        entries = node.below if tail else node.here
        if key not in entries:
            return False
        del entries[key]
        self._size -= 1
        for parent, level in reversed(path):
            if node.here or node.below or node.children:
                break
            del parent.children[level]
            node = parent
        self._forget(filter)
        return True

    def match(self, topic: str) -> tuple[S, ...]:
        """The sinks of all entries that match the topic; a key under two such filters comes twice."""
        found = self._kept.get(topic)
        if found is None:
            found = self._find(topic)
            self._kept_size += 1 + len(found)
            if self._kept_size > self._budget:
                self._kept.clear()
                self._kept_size = 1 + len(found)
            self._kept[topic] = found
        return found

    def _find(self, topic: str) -> tuple[S, ...]:
        found: list[S] = []
        nodes = [self._root]
        # Wildcards at the root do not see topics that start with $ [MQTT-4.7.2-1].
        wild = not topic.startswith("$")
        for level in topic.split("/"):
            following: list[_Node[S]] = []
            for node in nodes:
                if wild:
                    if node.below:
                        found.extend(node.below.values())
                    child = node.children.get("+")
                    if child is not None:
                        following.append(child)
                child = node.children.get(level)
                if child is not None:
                    following.append(child)
            nodes = following
            if not nodes:
                break
            wild = True
        for node in nodes:
            found.extend(node.here.values())
            if self._parent:
                found.extend(node.below.values())
        return tuple(found)

    def _forget(self, filter: str) -> None:
        # A filter without wildcards changes one answer; any other may change many. Clearing costs no more
        # than the filling did, so a storm of subscriptions between matches stays linear.
        if "+" in filter or "#" in filter:
            self._kept.clear()
            self._kept_size = 0
        else:
            gone = self._kept.pop(filter, None)
            if gone is not None:
                self._kept_size -= 1 + len(gone)
