"""The tables ``audit`` and ``refusal``: who did what, and who was turned away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.store.statement import Query, Statement

APPEND_AUDIT = """
INSERT INTO audit (at, account, region, principal, service, operation, resource, outcome, request_id,
                   source_ip, detail)
VALUES (:at, :account, :region, :principal, :service, :operation, :resource, :outcome, :request_id,
        :source_ip, :detail)"""

APPEND_REFUSAL = """
INSERT INTO refusal (at, account, region, client_id, certificate_id, thing_name, body)
VALUES (:at, :account, :region, :client_id, :certificate_id, :thing_name, :body)"""

REFUSALS = """
SELECT seq, at, account, region, client_id, certificate_id, thing_name, body
  FROM refusal
 WHERE account = :account AND region = :region AND seq < :before"""
REFUSAL_FILTERS = {
    "client_id": " AND client_id = :client_id",
    "certificate_id": " AND certificate_id = :certificate_id",
    "thing_name": " AND thing_name = :thing_name",
}
NEWEST_FIRST = "\n ORDER BY seq DESC LIMIT :limit"

_END = 2**63 - 1


def append_audit(
    *,
    at: float,
    account: str,
    region: str,
    principal: str,
    service: str,
    operation: str,
    resource: str,
    outcome: str,
    request_id: str,
    source_ip: str,
    detail: str = "{}",
) -> Statement:
    """Who did what to what, and how it went. ``detail`` is JSON text."""
    params: dict[str, Any] = {
        "at": at,
        "account": account,
        "region": region,
        "principal": principal,
        "service": service,
        "operation": operation,
        "resource": resource,
        "outcome": outcome,
        "request_id": request_id,
        "source_ip": source_ip,
        "detail": detail,
    }
    return Statement(APPEND_AUDIT, params)


def append_refusal(
    *,
    at: float,
    account: str,
    region: str,
    client_id: str | None,
    certificate_id: str | None,
    thing_name: str | None,
    body: str,
) -> Statement:
    """A device was turned away; None for what is not known of it. ``body`` is JSON text."""
    params: dict[str, Any] = {
        "at": at,
        "account": account,
        "region": region,
        "client_id": client_id,
        "certificate_id": certificate_id,
        "thing_name": thing_name,
        "body": body,
    }
    return Statement(APPEND_REFUSAL, params)


def page_refusals(filters: Mapping[str, str], before_seq: int | None, limit: int) -> Query:
    """Up to ``limit`` refusals with seq < ``before_seq`` (None: from the newest), newest first.

    ``filters`` names ``account`` and ``region``, and any of ``client_id``, ``certificate_id`` and
    ``thing_name``.
    """
    optional = filters.keys() - {"account", "region"}
    if len(filters) - len(optional) != 2 or not optional <= REFUSAL_FILTERS.keys():
        raise ValueError(f"refusals are found by account, region and any of {', '.join(REFUSAL_FILTERS)}")
    chosen = "".join(sql for name, sql in REFUSAL_FILTERS.items() if name in optional)
    before = _END if before_seq is None else before_seq
    return Query(REFUSALS + chosen + NEWEST_FIRST, {**filters, "before": before, "limit": limit})
