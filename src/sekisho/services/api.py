"""The one door: every change of state is an operation, authorized, invoked and audited here."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from copy import copy
from dataclasses import replace
from types import ModuleType
from typing import Any, Protocol

import structlog

from sekisho.aws.errors import (
    AccessDeniedException,
    AwsError,
    ForbiddenException,
    InternalFailureException,
    NotImplementedException,
    ServiceUnavailableException,
)
from sekisho.services import permission
from sekisho.services.call import Call, Caller, Deps
from sekisho.services.iam_resources import iam_resource
from sekisho.services.resources import (
    GLOBAL,
    actions,
    authorized_arn,
    conditions,
    further_arns,
    resource_arn,
)
from sekisho.services.tag_conditions import held, requested
from sekisho.services.unique import new_uuid
from sekisho.services.work import Document, Work, dumps
from sekisho.store import tables
from sekisho.store.statement import Conflict, Statement, StoreError

log = structlog.get_logger("sekisho.api")

Function = Callable[..., Awaitable[Document | None]]

RESOURCE_KEPT = 2048
"""Characters of a resource that an audit line keeps; an ARN has no more."""

ATTEMPTS = 20
"""How often an operation is run again because what it read had changed before it could commit."""

SOBER = 10
"""How many runs of an operation read everything after one that hoped in vain (`Work.get_unlikely`): a client
that makes what is there already costs the others little."""

READS = ("check_", "describe_", "explain_", "get_", "list_", "search_", "test_")
UNAUDITED = frozenset({("iot-data", "Publish"), ("iot-data", "SendDirectMessage")})
"""CloudTrail keeps data-plane calls out of the management trail, and so does the audit table."""

OPEN = frozenset({("sts", "GetCallerIdentity"), ("sts", "GetSessionToken"), ("sts", "AssumeRole")})
"""The first no policy can deny, and the second needs none (AWS Security Token Service API Reference); the
third asks the role's trust policy as well, and does so itself."""


class OperationModel(Protocol):
    """The part of :class:`sekisho.aws.service.Operation` that the door needs."""

    @property
    def name(self) -> str: ...
    @property
    def members(self) -> frozenset[str]: ...
    def validate(self, members: Mapping[str, Any]) -> None: ...
    def spelled(self, error: AwsError) -> AwsError: ...
    def serialize(self, result: Mapping[str, Any] | None, request_id: str) -> Any: ...


class ServiceModel(Protocol):
    """The part of :class:`sekisho.aws.service.Service` that the door needs."""

    def python_names(self) -> Mapping[str, OperationModel]: ...
    def error_status(self, code: str) -> int | None: ...


class BindingError(Exception):
    """A function names no operation of the model, or an argument no member."""


class Bound:
    """An operation's function, with the members that it understands."""

    def __init__(self, model: OperationModel, function: Function) -> None:
        self.function = function
        self.arguments = frozenset(list(inspect.signature(function).parameters)[1:])
        unknown = self.arguments - model.members
        if unknown:
            raise BindingError(f"{model.name} has no member {', '.join(sorted(unknown))}")
        self.audited = not function.__name__.startswith(READS)
        self.sober = 0


class Api:
    """``services``: name → model. ``modules``: the same names → the files of their functions."""

    def __init__(
        self,
        deps: Deps,
        services: Mapping[str, ServiceModel],
        modules: Mapping[str, Iterable[ModuleType]],
    ) -> None:
        self.deps = deps
        self.under_way = 0
        """Operations that somebody waits for."""
        self._services = services
        self._bound: dict[tuple[str, str], Bound] = {}
        self._models: dict[tuple[str, str], OperationModel] = {}
        for service, service_model in services.items():
            operations = service_model.python_names()
            for operation in operations.values():
                self._models[service, operation.name] = operation
            for module in modules.get(service, ()):
                for function in _functions(module):
                    model = operations.get(function.__name__)
                    if model is None:
                        raise BindingError(
                            f"{module.__name__}.{function.__name__}: no operation of {service}"
                        )
                    self._bound[service, model.name] = Bound(model, function)

    def using(self, deps: Deps) -> Api:
        """The same operations, which use something else."""
        other = copy(self)
        other.deps, other.under_way = deps, 0
        return other

    def is_real(self, service: str, operation: str) -> bool:
        return (service, operation) in self._bound

    def error_status(self, service: str, error: AwsError) -> int:
        """The HTTP status of an error, as the service's model has it."""
        return self._services[service].error_status(error.code) or error.fallback_status

    def body(self, service: str, operation: str, result: Document) -> bytes:
        """An answer's JSON as the output shape has it, for doors other than HTTP."""
        response = self._models[service, operation].serialize(result, "")
        return bytes(response.body)

    def require_real(self, service: str, operation: str) -> Bound:
        bound = self._bound.get((service, operation))
        if bound is None:
            raise NotImplementedException(f"{service}:{operation} is not implemented by this node")
        return bound

    def check(self, service: str, operation: str, members: Mapping[str, Any]) -> None:
        """Hold members against the model; the service's validation error says what is wrong."""
        self._models[service, operation].validate(members)

    async def invoke(self, caller: Caller, service: str, operation: str, **members: Any) -> Document:
        """Authorize, validate, run and commit one operation, and write who did what.

        Raises :class:`AwsError`; anything else that goes wrong is logged and becomes an internal failure.
        """
        self.under_way += 1
        try:
            return await self._invoke(caller, service, operation, members)
        finally:
            self.under_way -= 1

    async def _invoke(
        self, caller: Caller, service: str, operation: str, members: dict[str, Any]
    ) -> Document:
        bound = self.require_real(service, operation)
        for member in members:
            if member not in bound.arguments:
                raise NotImplementedException(f"the member {member} of {operation} is not implemented")
        if not caller.request_id:
            caller = replace(caller, request_id=new_uuid())
        resource = await self._resource(caller, service, operation, members)
        audit = bound.audited and (service, operation) not in UNAUDITED
        try:
            about = authorized_arn(operation, members, resource)
            context = conditions(service, operation, members) | requested(members)
            for each in dict.fromkeys([about, *further_arns(caller, operation, members)]):
                tags = await held(self.deps, caller, each)
                self._authorize(caller, service, operation, each, members, context | tags)
            self.check(service, operation, members)
            result = await self._run(bound, caller, service, operation, members, resource, audit)
            self._log(caller, service, operation, members, None)
            return result
        except AwsError as raised:
            error = self._models[service, operation].spelled(raised)
            self._log(caller, service, operation, members, error.code)
            if audit or isinstance(error, AccessDeniedException | ForbiddenException):
                await self._write_failure(caller, service, operation, resource, error)
            raise error from None
        except StoreError as error:
            log.error("store", operation=operation, request=caller.request_id, error=str(error))
            raise ServiceUnavailableException(error.for_callers) from None
        except Exception:
            log.exception("operation failed", operation=operation, request=caller.request_id)
            raise InternalFailureException("An internal failure occurred") from None

    def _log(
        self, caller: Caller, service: str, operation: str, members: Mapping[str, Any], error: str | None
    ) -> None:
        logs = self.deps.logs
        if logs is not None and logs.on:
            logs.operation(caller, service, operation, members, error)

    async def _resource(
        self, caller: Caller, service: str, operation: str, members: Mapping[str, Any]
    ) -> str:
        if service != "iam":
            return resource_arn(caller, service, operation, members)
        try:
            return await iam_resource(self.deps.store, caller, operation, members)
        except StoreError as error:
            log.error("store", operation=operation, request=caller.request_id, error=str(error))
            raise ServiceUnavailableException(error.for_callers) from None

    async def _run(
        self,
        bound: Bound,
        caller: Caller,
        service: str,
        operation: str,
        members: Mapping[str, Any],
        resource: str,
        audit: bool,
    ) -> Document:
        deps = self.deps
        answers: dict[tuple[str, bytes], dict[str, Any]] = {}
        region = "" if service in GLOBAL else caller.region
        hopeful = bound.sober == 0
        bound.sober -= not hopeful
        for attempt in range(ATTEMPTS):
            now = deps.clock.now()
            work = Work(deps.store, caller.account, region, now, hopeful)
            call = Call(deps, caller, service, operation, now, work, self.check, answers, attempt > 0)
            try:
                result = await bound.function(call, **members)
                if work.writes:
                    await deps.events.add_to(work)
                if work.writes or audit or work.unproved:
                    made = (result or {}).get("certificateArn")
                    line = self._audit(caller, service, operation, resource, "Success", now, made)
                    await work.commit(*(line if work.writes or audit else ()))
            except Exception as error:
                if work.unproved and isinstance(error, AwsError | Conflict):
                    hopeful, bound.sober = False, SOBER
                elif not isinstance(error, Conflict):
                    raise
                continue
            if work.writes:
                for change in work.changes():
                    deps.forget(change)
                deps.events.committed(work)
                if deps.logs is not None:
                    await deps.logs.committed(work)
            if work.posted:
                await deps.connections.post(work.posted)
            for message in work.messages:
                delivered = deps.publish(message)
                if delivered is not None:
                    await delivered
            return result or {}
        raise ServiceUnavailableException("too many changes to the same resource at once; try again")

    def _authorize(
        self,
        caller: Caller,
        service: str,
        operation: str,
        resource: str,
        members: Mapping[str, Any],
        context: Mapping[str, Any],
    ) -> None:
        if (service, operation) in OPEN:
            return
        now = self.deps.clock.now()
        for name in actions(service, operation, members):
            action = f"{ACTION_PREFIXES.get(service, service)}:{name}"
            if permission.outcome(caller, action, resource, now, context) != "ALLOWED":
                why = permission.explained(caller, action, resource, now, context)
                permission.record_denial(self.deps, caller, f"not authorized to perform {action}", why)
                denied = DENIALS.get(service, AccessDeniedException)
                raise denied(
                    f"User: {caller.principal.arn} is not authorized to perform: {action}"
                    f" on resource: {resource}"
                )

    def _audit(
        self,
        caller: Caller,
        service: str,
        operation: str,
        resource: str,
        outcome: str,
        now: float,
        made: str | None = None,
    ) -> list[Statement]:
        """``made``: the certificate that came of it, whose ARN the caller could not name."""
        detail = {"clientId": caller.client_id, "certificateId": caller.certificate_id}
        if made is not None:
            detail["certificateArn"] = made
        if caller.role is not None:
            detail["role"] = caller.role.arn
        return [
            tables.append_audit(
                at=now,
                account=caller.account,
                region=caller.region,
                principal=caller.principal.arn,
                service=service,
                operation=operation,
                resource=_kept(resource),
                outcome=outcome,
                request_id=caller.request_id,
                source_ip=caller.source_ip,
                detail=dumps(detail),
            )
        ]

    async def _write_failure(
        self, caller: Caller, service: str, operation: str, resource: str, error: AwsError
    ) -> None:
        now = self.deps.clock.now()
        try:
            await self.deps.store.commit(self._audit(caller, service, operation, resource, error.code, now))
        except StoreError as failure:
            log.error("audit", operation=operation, request=caller.request_id, error=str(failure))


DENIALS: Mapping[str, type[AwsError]] = {"iot-data": ForbiddenException}
"""How a service spells that the caller may not, where it is not AccessDeniedException."""

ACTION_PREFIXES = {"iot-data": "iot", "iot-jobs-data": "iotjobsdata", "iotidentity": "iot"}


def _kept(resource: str) -> str:
    """A resource as the audit table keeps it: whatever a caller named, it fits and databases take it."""
    return resource[:RESOURCE_KEPT].replace("\0", "\ufffd")


def _functions(module: ModuleType) -> Iterable[Function]:
    for name, value in vars(module).items():
        if inspect.iscoroutinefunction(value) and value.__module__ == module.__name__ and name[0] != "_":
            yield value
