"""The tree against the plain definition of matching, and what it keeps."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.mqtt.topics import matches
from sekisho.mqtt.tree import TopicTree

levels = st.sampled_from(["", "a", "b", "c", "$x"])
topics = st.lists(levels, min_size=1, max_size=4).map("/".join).filter(bool)
filters = (
    st.tuples(st.lists(st.one_of(levels, st.just("+")), max_size=4), st.sampled_from([[], ["#"]]))
    .map(lambda parts: "/".join(parts[0] + parts[1]))
    .filter(bool)
)
steps = st.one_of(
    st.tuples(st.just("add"), filters, st.integers(0, 3)),
    st.tuples(st.just("remove"), filters, st.integers(0, 3)),
    st.tuples(st.just("match"), topics, st.just(0)),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(steps, max_size=40), st.booleans(), st.sampled_from([1, 5, 100_000]))
def test_any_history_matches_as_the_definition_does(history, parent, budget):
    tree = TopicTree(parent, budget)
    model = {}
    for verb, text, key in history:
        if verb == "add":
            assert tree.add(text, key, (text, key)) is ((text, key) not in model)
            model[text, key] = (text, key)
        elif verb == "remove":
            assert tree.remove(text, key) is (model.pop((text, key), None) is not None)
        else:
            expected = Counter(sink for (filter, _), sink in model.items() if matches(filter, text, parent))
            assert Counter(tree.match(text)) == expected
        assert len(tree) == len(model)
    for filter, key in model:
        assert tree.remove(filter, key)
    assert not tree._root.children  # every branch is pruned


def test_one_key_under_two_filters_comes_twice():
    tree = TopicTree()
    tree.add("a/+", "me", 1)
    tree.add("a/#", "me", 2)
    assert sorted(tree.match("a/b")) == [1, 2]


def test_adding_again_replaces_the_sink():
    tree = TopicTree()
    assert tree.add("a", "me", "old")
    assert tree.match("a") == ("old",)
    assert not tree.add("a", "me", "new")
    assert tree.match("a") == ("new",)
    assert len(tree) == 1


def test_an_answer_is_kept_until_it_could_change():
    tree = TopicTree()
    tree.add("a/b", 1, 1)
    answer = tree.match("a/b")
    tree.add("a/c", 2, 2)
    assert tree.match("a/b") is answer
    tree.add("a/+", 3, 3)
    assert sorted(tree.match("a/b")) == [1, 3]


def test_what_is_kept_is_bounded():
    tree = TopicTree(budget=100)
    tree.add("#", 1, 1)
    for number in range(1000):
        assert tree.match(f"t/{number}") == (1,)
        assert len(tree._kept) <= 50


@pytest.mark.parametrize("pattern", ["device/{}/cmd", "device/{}/#", "device/{}/+"])
def test_a_storm_of_subscriptions_between_matches_keeps_every_answer_right(pattern):
    tree = TopicTree()
    for number in range(200):
        assert tree.match(f"other/{number}") == ()
    for number in range(10_000):
        tree.add(pattern.format(number), number, number)
        assert tree.match(f"device/{number}/cmd") == (number,)
    assert len(tree) == 10_000


def test_very_deep_filters_come_and_go():
    tree = TopicTree()
    deep = "/".join(["a"] * 30_000)
    tree.add(deep, 1, 1)
    assert tree.match(deep) == (1,)
    assert tree.remove(deep, 1)
    assert not tree._root.children
