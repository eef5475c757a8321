"""Bulk registration: start, describe, stop and list tasks, and their reports; ``bulk.py`` works.

Sources: AWS IoT API Reference and the ``iot`` model; AWS General Reference, AWS IoT quotas (one task at
a time for each account; a task ends after 30 days).
"""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.templates import TemplateError, parse_template
from sekisho.services.bulk_reports import RESULTS, TYPES, report_key, reports_bucket
from sekisho.services.call import Call
from sekisho.services.paging import created_key, token
from sekisho.services.registration_lines import PROGRESS, TASK
from sekisho.services.roles import pass_role
from sekisho.services.unique import new_uuid
from sekisho.services.work import Document, dumps
from sekisho.store import tables

RUNNING = "registrationrunning"
"""The kind of the rows that say which task of an account and region is at work; they are in no account, so
that one listing finds them all."""

ENDED = ("Completed", "Failed", "Cancelled")
PAGE = 25
SCAN = 250


async def start_thing_registration_task(
    call: Call, templateBody: str, inputFileBucket: str, inputFileKey: str, roleArn: str
) -> Document:
    try:
        parse_template(templateBody, "REGISTER_THING")
    except TemplateError as error:
        raise InvalidRequestException(f"Invalid provisioning template: {error}") from None
    role_id = await pass_role(call, roleArn, "roleArn")
    place = f"{call.account}/{call.region}"
    running = await call.deps.store.fetch(*tables.get_resource("", "", RUNNING, place))
    if running:
        raise InvalidRequestException(
            "one registration task at a time: the one under way must complete or be stopped first"
        )
    id = new_uuid()
    task = {
        "taskId": id,
        "templateBody": templateBody,
        "inputFileBucket": inputFileBucket,
        "inputFileKey": inputFileKey,
        "roleArn": roleArn,
        "roleId": role_id,
        "status": "InProgress",
    }
    await call.work.put(TASK, id, task)
    start = {"line": 0, "offset": 0, "segment": 0, "success": 0, "failure": 0, "size": 0, "etag": ""}
    call.work.also += [
        tables.insert_resource(call.account, call.region, PROGRESS, id, dumps(start), call.now),
        # Of two that start at once, one is run again and finds this row.
        tables.insert_resource("", "", RUNNING, place, dumps({"taskId": id}), call.now),
    ]
    return {"taskId": id}


async def describe_thing_registration_task(call: Call, taskId: str) -> Document:
    task = await call.require(TASK, taskId)
    progress = await call.work.get(PROGRESS, taskId) or {}
    size = progress.get("size", 0)
    done = 100 if task["status"] == "Completed" else progress["offset"] * 100 // size if size else 0
    return task | {
        "lastModifiedDate": max(task["lastModifiedDate"], progress.get("lastModifiedDate", 0.0)),
        "successCount": progress.get("success", 0),
        "failureCount": progress.get("failure", 0),
        "percentageProgress": done,
    }


async def stop_thing_registration_task(call: Call, taskId: str) -> None:
    task = await call.require(TASK, taskId)
    if task["status"] in ENDED:
        raise InvalidRequestException(f"task {taskId} has ended already: it is {task['status']}")
    if task["status"] != "Cancelling":
        await call.work.put(TASK, taskId, task | {"status": "Cancelling"}, what="Cancelling")


async def list_thing_registration_tasks(
    call: Call, nextToken: str | None = None, maxResults: int | None = None, status: str | None = None
) -> Document:
    limit = maxResults or PAGE
    after = created_key(nextToken)
    found: list[str] = []
    while True:
        page, further = await call.work.page(TASK, after, SCAN, by_created=True, ascending=False)
        for id, task in page:
            if len(found) == limit:
                return {"taskIds": found, "nextToken": token(after)}
            if status is None or task["status"] == status:
                found.append(id)
            after = f"{task['creationDate']!r} {id}"
        if not further:
            return {"taskIds": found}


async def list_thing_registration_task_reports(
    call: Call,
    taskId: str,
    reportType: str,
    nextToken: str | None = None,
    maxResults: int | None = None,
) -> Document:
    """One link at most, when the task has ended: to the whole report, by a URL that ends in an hour."""
    if nextToken:
        raise InvalidRequestException("the page token is not one that this operation gave")
    task = await call.require(TASK, taskId)
    links = []
    if reportType in task.get("reports", ()):
        links = [
            await call.deps.link(call.account, reports_bucket(call.account), report_key(taskId, reportType))
        ]
    return {"resourceLinks": links, "reportType": reportType}


__all__ = ["ENDED", "RESULTS", "RUNNING", "TASK", "TYPES"]
