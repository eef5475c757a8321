"""Which billing group a thing is in."""

from __future__ import annotations

from sekisho.services.work import Work

KIND = "billinggroup"
MEMBER = "thing-billing"
"""Links: thing → its billing group; a thing has at most one (AWS General Reference, AWS IoT quotas)."""


async def billing_group_of(work: Work, thing: str) -> str | None:
    """None for no group; the commit proves that it is still so. A link to a group that has gone is taken
    away."""
    found = None
    for link in await work.all_links_from(MEMBER, thing):
        if await work.get(KIND, link.target) is None:
            work.unlink(MEMBER, thing, link.target)
        else:
            found = link.target
    return found
