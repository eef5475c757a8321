"""Every paginated listing of ``iot``, while rows come and go: what stays is told exactly once."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections import Counter, deque
from functools import cache

import pytest
from botocore import xform_name
from botocore.session import get_session

from api.listings import ONE_PAGE, listings
from sekisho.cli.operations import real_operations

PATIENCE = 30
SIZES = (1, 3)
COUNT = 34


class Changes(threading.Thread):
    """Adds to a listing and takes away from it, until it is told to stop."""

    def __init__(self, listing, others, ending):
        super().__init__()
        self.listing, self.others = listing, deque(others)
        self.done, self.stopping, self.failed = 0, threading.Event(), None
        self.names = (
            f"{letter}-{number}{ending}" for number, letter in enumerate(itertools.cycle("adgjmpsvy"))
        )

    def run(self):
        try:
            while not self.stopping.is_set():
                if self.listing.remove is not None and len(self.others) >= self.listing.others:
                    self.listing.remove(self.others.popleft())
                elif self.listing.remove is not None or len(self.others) < self.listing.others:
                    self.others.append(self.listing.add(next(self.names)))
                self.done += 1
        except BaseException as error:
            self.failed = error

    def go_on(self):
        """Until there was another change."""
        seen, until = self.done, time.monotonic() + PATIENCE
        while self.done == seen and self.failed is None and time.monotonic() < until:
            time.sleep(0.001)


@cache
def paginated():
    """Operation → its paginator's description, of those that are implemented."""
    model = get_session().get_paginator_model("iot")
    found = {}
    for operation in real_operations()["iot"]:
        if operation.startswith("List"):
            try:
                found[operation] = model.get_paginator(operation)
            except ValueError:
                continue
    return found


def told(iot, listing, size, between, **members):
    page_of = paginated()[listing.operation]
    members |= listing.members | {page_of["limit_key"]: size}
    found = []
    while True:
        page = getattr(iot, xform_name(listing.operation))(**members)
        assert len(page[page_of["result_key"]]) <= size
        found += map(listing.told, page[page_of["result_key"]])
        token = page.get(page_of["output_token"])
        if not token:
            return found
        members[page_of["input_token"]] = token
        between()


@pytest.fixture(scope="module")
def made(node):
    """All listings, in an account in which nothing else is."""
    account, other = (re.search(r"\d{12}", node.command("account", "create"))[0] for _ in range(2))
    iot = node.client("iot", account=account)
    s3 = node.client("s3", account=account)
    return iot, listings(iot, s3, account, other)


def test_every_paginated_listing_is_here(made):
    assert {listing.operation for listing in made[1]} | set(ONE_PAGE) == set(paginated())
    assert len(made[1]) == COUNT


@pytest.mark.parametrize("number", range(COUNT))
def test_what_stays_is_told_exactly_once(made, number):
    iot, all_of_them = made
    listing, ending = all_of_them[number], f"-{number}"
    # What changes is before, between and after what stays, also where the order is that of creation.
    others, stay = [], []
    for letter in "bcehkn"[: listing.stay + 1]:
        if len(others) < listing.others - 1:
            others.append(listing.add(f"{letter}-other{ending}"))
        if len(stay) < listing.stay:
            stay.append(listing.add(f"{letter}-stays{ending}"))
    changes = Changes(listing, others, ending)
    changes.start()
    shape = iot.meta.service_model.operation_model(listing.operation).input_shape
    orders = [{}]
    if "ascendingOrder" in shape.members:
        orders += [{"ascendingOrder": True}, {"ascendingOrder": False}]
    try:
        for size in SIZES:
            for order in orders:
                counted = Counter(told(iot, listing, size, changes.go_on, **order))
                assert {one: counted[one] for one in stay} == dict.fromkeys(stay, 1), (size, order)
                assert [one for one, times in counted.items() if times > 1] == []
    finally:
        changes.stopping.set()
        changes.join()
    assert changes.failed is None
    assert changes.done > len(SIZES)
