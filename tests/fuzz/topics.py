"""Topic names and filters against what sections 4.7 and 4.8 of the specification say, read naively."""

from __future__ import annotations

from sekisho.mqtt.topics import check_filter, check_topic, matches, parse_share
from sekisho.mqtt.tree import TopicTree


def within_limits(text: str) -> bool:
    """AWS's limits; `$aws/rules/{rule}/` counts towards neither."""
    levels = text.split("/")
    if len(levels) > 3 and levels[:2] == ["$aws", "rules"] and levels[2]:
        levels = levels[3:]
    return len("/".join(levels).encode()) <= 256 and len(levels) <= 8


def is_topic(text: str) -> bool:
    return len(text) > 0 and not set(text) & set("+#\0") and within_limits(text)


def is_plain_filter(text: str) -> bool:
    levels = text.split("/")
    for number, level in enumerate(levels):
        if "#" in level and not (level == "#" and number == len(levels) - 1):
            return False
        if "+" in level and level != "+":
            return False
    return len(text) > 0 and "\0" not in text and within_limits(text)


def is_filter(text: str) -> bool:
    levels = text.split("/")
    if levels[0] != "$share":
        return is_plain_filter(text)
    if len(levels) < 3:
        return False
    name = levels[1]
    return 0 < len(name) <= 128 and not set(name) & set("+#\0") and is_plain_filter("/".join(levels[2:]))


def fits(wanted: list[str], levels: list[str], parent: bool) -> bool:
    """The filter's levels against the topic's, one by one."""
    if wanted == ["#"]:
        return bool(levels) or parent
    if not wanted or not levels:
        return not wanted and not levels
    return wanted[0] in ("+", levels[0]) and fits(wanted[1:], levels[1:], parent)


def does_match(filter: str, topic: str, parent: bool) -> bool:
    if topic[0] == "$" and filter[0] in "+#":
        return False
    return fits(filter.split("/"), topic.split("/"), parent)


def topics(data: bytes) -> None:
    """Lines of text: the last is a topic, all others are filters."""
    *filters, topic = data.decode("utf-8", "replace").split("\n")[-6:]
    assert (check_topic(topic) is None) == is_topic(topic), topic
    good = []
    for filter in filters:
        assert (check_filter(filter) is None) == is_filter(filter), filter
        name, plain = parse_share(filter)
        if is_filter(filter):
            assert (name is not None) == filter.startswith("$share/")
            assert filter == (plain if name is None else f"$share/{name}/{plain}")
            good.append(plain)
    if not is_topic(topic):
        return
    for parent in (False, True):
        tree: TopicTree[int] = TopicTree(parent)
        expected = []
        for number, filter in enumerate(good):
            if does_match(filter, topic, parent):
                expected.append(number)
            assert matches(filter, topic, parent) == does_match(filter, topic, parent), (filter, topic)
            assert tree.add(filter, number, number)
        assert sorted(tree.match(topic)) == expected
        for number, filter in enumerate(good):
            assert tree.remove(filter, number)
        assert (len(tree), tree.match(topic)) == (0, ())
