"""Every family of resources against a model, with several callers at once.

Each turn gives a few operations to threads; their answers, and all that can be read and listed afterwards,
must be what some order of them explains. `SEKISHO_EXAMPLES=500` tries so many others.
"""

from __future__ import annotations

import itertools
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from api.families import Versioned, families, mine

NUMBERS = itertools.count(1)
EXAMPLES = int(os.environ.get("SEKISHO_EXAMPLES", "0"))
NAMES = "abc"

CHOICES = st.tuples(st.integers(0, 6), st.sampled_from(NAMES), st.integers(0, 1))
TURNS = st.lists(st.lists(CHOICES, min_size=1, max_size=3), min_size=3, max_size=7)
BEGINNING = [[(0, "a", 0), (0, "b", 1)]]
FAMILIES = (
    "policies",
    "templates",
    "thing types",
    "billing groups",
    "authorizers",
    "domain configurations",
    "role aliases",
    "packages",
    "package versions",
    "certificates",
)


@pytest.fixture(scope="module")
def all_of_them(node):
    """In an account in which nothing else is."""
    account = re.search(r"\d{12}", node.command("account", "create"))[0]
    return families(node.client("iot", account=account), node.client("acm", account=account), account)


@pytest.fixture(scope="module")
def pool():
    with ThreadPoolExecutor(3) as pool:
        yield pool


def test_all_families_are_tried(all_of_them):
    assert set(all_of_them) == set(FAMILIES)


@pytest.mark.parametrize("named", FAMILIES)
@settings(
    max_examples=EXAMPLES or 4,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink) if EXAMPLES else (Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(turns=TURNS, size=st.sampled_from([1, 2, 100]))
def test_a_family_is_what_the_model_says(all_of_them, pool, named, turns, size):
    family, prefix = all_of_them[named], f"f{next(NUMBERS)}-"
    kinds, state = family.steps(), {}
    try:
        for turn in [*BEGINNING, *turns]:
            steps = [
                (kinds[kind % len(kinds)], prefix + name, family.values[value]) for kind, name, value in turn
            ]
            answers = list(pool.map(lambda step: carried_out(family, step), steps))
            state = explained(family, state, steps, answers, shown(family, named, prefix, size))
    finally:
        for name in NAMES:
            family.empty(prefix + name)


def carried_out(family, step):
    try:
        family.call(*step)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


def shown(family, named, prefix, size):
    """What there is by reading each name; the listing must have just these, each once."""
    found = {}
    for name in (prefix + letter for letter in NAMES):
        try:
            found[name] = family.read(name)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceNotFoundException"
    ids = {mine(name)[1] if named == "certificates" else name for name in found}
    others = {mine(prefix + letter)[1] for letter in NAMES} if named == "certificates" else set()
    listed = [one for one in family.names(size) if one.startswith(prefix) or one in others]
    assert sorted(listed) == sorted(ids)
    return found


def explained(family, state, steps, answers, shown):
    """The state after the order of steps that gives these answers and what is shown."""
    possible = []
    for order in itertools.permutations(range(len(steps))):
        after, told = state, [""] * len(steps)
        for index in order:
            after, told[index] = family.after(after, *steps[index])
        if told == answers:
            possible.append(visible(family, after))
            if possible[-1] == shown:
                return after
    raise AssertionError(
        f"{steps}\nwere answered {answers}\nand then there was {shown}\nnot one of {possible}"
    )


def visible(family, state):
    if isinstance(family, Versioned):
        return {name: (default, versions) for name, (default, _, versions) in state.items()}
    return state
