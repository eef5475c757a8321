"""One line of a bulk registration: its thing, and the word in the database that it is done, in one commit.

The word is what makes an interrupted task lose and double nothing. While a batch of lines is under way,
each that is done has a row with its report; when the batch is over, the task's position moves beyond it and
the rows go, in one commit. Each line's commit proves that the position is still the one it goes by: a node
that has lost its lease without knowing can write nothing any more once another one has moved on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cryptography import x509

from sekisho.aws.errors import AccessDeniedException, InvalidRequestException
from sekisho.logic.bulk_input import template_of
from sekisho.logic.templates import TemplateError, expand
from sekisho.services.call import Call, Principal, service_principal
from sekisho.services.certificate_records import put_new_certificate
from sekisho.services.provisioning import carry_out
from sekisho.services.roles import require_rights
from sekisho.services.work import Document, dumps
from sekisho.store import tables

TASK = "registrationtask"
PROGRESS = "registrationprogress"
LINE = "registrationline"


def runner(account: str) -> Principal:
    """The node at work on an account's task."""
    return service_principal(account, "bulk-registration")


def line_id(task: str, number: int) -> str:
    return f"{task}/{number:012d}"


async def register_thing_line(
    call: Call,
    taskId: str,
    lineNumber: int,
    position: int,
    templateBody: str,
    parameters: Mapping[str, str] | None = None,
    certificatePem: str | None = None,
) -> Document:
    """Register what one line says; ``certificatePem`` was issued for its signing request ahead of time,
    ``position`` is the version of the task's progress that the caller goes by. If that, or the line, is over
    with meanwhile, it ends in ServiceUnavailableException.

    The node calls it by itself; nobody else may.
    """
    if call.caller.principal.arn != runner(call.account).arn:
        await call.require(TASK, taskId)
        raise AccessDeniedException("only the node itself registers the lines of a task")
    place = call.account, call.region
    call.work.also.append(tables.guard_version(*place, PROGRESS, taskId, position))
    try:
        plan = expand(template_of(templateBody), parameters or {}, {})
    except TemplateError as error:
        raise InvalidRequestException(f"Invalid provisioning template: {error}") from None
    if call.caller.role is not None:
        await require_rights(call, plan, call.caller.role)
    planned = plan.certificate
    if planned is not None and planned.csr is not None and certificatePem is not None:
        certificate = x509.load_pem_x509_certificate(certificatePem.encode())
        issued = await put_new_certificate(call, certificate, planned.status, issued=True)
        plan = replace(plan, certificate=replace(planned, csr=None, certificate_id=issued["certificateId"]))
    outcome = await carry_out(call, plan)
    pem = outcome.certificate["certificatePem"] if outcome.certificate is not None else None
    report: Document = {"resourceArns": outcome.arns}
    if pem is not None:
        report["certificatePem"] = pem
    # No resource of the registry, so nothing for the change feed.
    word = tables.insert_resource(*place, LINE, line_id(taskId, lineNumber), dumps(report), call.now)
    call.work.also.append(word)
    return report
