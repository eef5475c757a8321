"""What is over for long: a registration task and its reports go 30 days after its end (AWS General Reference,
AWS IoT quotas)."""

from __future__ import annotations

from contextlib import suppress

from sekisho.services.bulk_reports import Reports
from sekisho.services.call import Deps
from sekisho.services.registration_lines import PROGRESS, TASK
from sekisho.services.work import Work
from sekisho.store import tables
from sekisho.store.statement import Conflict, Statement

ENDED = "registrationended"
"""The kind of the rows that say which tasks have ended, in no account, so that one look finds the oldest."""

KEPT = 30 * 86400.0


def ended_task(account: str, region: str, id: str, now: float) -> Statement:
    """For the commit that ends the task, at civil time ``now``."""
    return tables.insert_resource("", "", ENDED, f"{account}/{region}/{id}", "{}", now)


async def forget_old_task(deps: Deps) -> None:
    """Forget the task that ended first, if its time is over. Whoever does it at once does no harm."""
    rows = await deps.store.fetch(*tables.page_resources_by_created("", "", ENDED, None, 1))
    now = deps.clock.now()
    if not rows or now - rows[0]["created"] < KEPT:
        return
    account, region, id = rows[0]["id"].split("/")
    await Reports(deps.objects, account, id).forget()
    work = Work(deps.store, account, region, now)
    await work.delete(TASK, id)
    await work.delete(PROGRESS, id)
    work.also.append(tables.delete_resource("", "", ENDED, rows[0]["id"], rows[0]["version"]))
    with suppress(Conflict):  # another node has
        await work.commit()
