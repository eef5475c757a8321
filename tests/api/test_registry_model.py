"""Groups and their things against a model, with several callers at once.

Each turn gives a few operations to threads. What happened must be what some order of them would have done:
their answers, and all that can be read afterwards. `SEKISHO_EXAMPLES=500` tries so many others.
"""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from api.registrymodel import Step, World, read

NUMBERS = itertools.count(1)
EXAMPLES = int(os.environ.get("SEKISHO_EXAMPLES", "0"))

GROUPS = st.sampled_from(["g0", "g1", "g2", "g3"])
THINGS = st.sampled_from(["t0", "t1"])
BILLING = st.sampled_from(["b0", "b1"])
VERSION = {"expectedVersion": st.integers(1, 3)}


def step(operation: str, optional: dict = {}, **members) -> st.SearchStrategy[Step]:  # noqa: B006
    return st.tuples(st.just(operation), st.fixed_dictionaries(members, optional=optional))


MEMBERSHIP = {"thingName": THINGS, "thingGroupName": GROUPS}
PAYER = {"thingName": THINGS, "billingGroupName": BILLING}
SOME = st.lists(GROUPS, max_size=2, unique=True)
DESCRIBED = {"thingGroupProperties": st.fixed_dictionaries({"thingGroupDescription": st.sampled_from("xy")})}

STEPS = st.one_of(
    step("create_thing_group", {"parentGroupName": GROUPS}, thingGroupName=GROUPS),
    step("update_thing_group", VERSION, thingGroupName=GROUPS, **DESCRIBED),
    step("delete_thing_group", VERSION, thingGroupName=GROUPS),
    step("create_thing", {"billingGroupName": BILLING}, thingName=THINGS),
    step("delete_thing", thingName=THINGS),
    step("add_thing_to_thing_group", **MEMBERSHIP),
    step("add_thing_to_thing_group", **MEMBERSHIP),
    step("remove_thing_from_thing_group", **MEMBERSHIP),
    step("update_thing_groups_for_thing", thingName=THINGS, thingGroupsToAdd=SOME, thingGroupsToRemove=SOME),
    step("create_billing_group", billingGroupName=BILLING),
    step("delete_billing_group", billingGroupName=BILLING),
    step("add_thing_to_billing_group", **PAYER),
    step("remove_thing_from_billing_group", **PAYER),
)
TURNS = st.lists(st.lists(STEPS, min_size=1, max_size=3), min_size=3, max_size=10)
BEGINNING: list[list[Step]] = [
    [("create_thing_group", {"thingGroupName": "g0"}), ("create_thing", {"thingName": "t0"})],
    [("create_thing_group", {"thingGroupName": "g1", "parentGroupName": "g0"})],
    [("create_billing_group", {"billingGroupName": "b0"}), ("create_thing", {"thingName": "t1"})],
]


def renamed(given: Step, prefix: str) -> Step:
    """The step with names that no other example uses."""
    operation, input = given

    def named(value):
        if isinstance(value, list):
            return [named(one) for one in value]
        return prefix + value if isinstance(value, str) else value

    return operation, {member: named(value) for member, value in input.items()}


def carried_out(iot, given: Step) -> str:
    operation, input = given
    try:
        getattr(iot, operation)(**input)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


@pytest.fixture(scope="module")
def pool():
    with ThreadPoolExecutor(3) as pool:
        yield pool


@settings(
    max_examples=EXAMPLES or 12,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink) if EXAMPLES else (Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(turns=TURNS, size=st.sampled_from([1, 2, 100]))
def test_groups_are_what_the_model_says(iot, pool, turns, size):
    prefix = f"model-{next(NUMBERS)}-"
    things = [prefix + "t0", prefix + "t1"]
    world = World()
    try:
        for turn in [*BEGINNING, *turns]:
            steps = [renamed(one, prefix) for one in turn]
            answers = list(pool.map(lambda one: carried_out(iot, one), steps))
            shown = read(iot, prefix, things, size)
            world = explained(world, steps, answers, shown)
    finally:
        for name in things:
            iot.delete_thing(thingName=name)
        for name in sorted(world.groups, key=lambda one: -len(world.above(one))):
            iot.delete_thing_group(thingGroupName=name)
        for name in world.billing:
            iot.delete_billing_group(billingGroupName=name)


def explained(world: World, steps: list[Step], answers: list[str], shown: dict) -> World:
    """The world after the order of steps that gives these answers and what is shown."""
    possible = []
    for order in itertools.permutations(range(len(steps))):
        after, told = world.after([steps[index] for index in order])
        if told == [answers[index] for index in order]:
            possible.append(after.shown())
            if possible[-1] == shown:
                return after
    raise AssertionError(
        f"{steps}\nwere answered {answers}\nand then there was {shown}\nnot one of {possible}"
    )
