"""What is due in any account and region: one question for all of them.

Each answer is of rows whose time has come, so that what an idle node does for many accounts is what it does
for one.
"""

from __future__ import annotations

from sekisho.store.statement import Query

# The lists of kinds are those of the partial indexes (0010_due_work.sql), word for word.
OLD = """
SELECT account, region, id, created
  FROM resource
 WHERE kind IN ('ownershiptoken', 'claim') AND kind = :kind
   AND created <= :before AND (created, id) > (:created, :id)
 ORDER BY created, id LIMIT :limit"""

NAMED = """
SELECT account, region, id, body
  FROM resource
 WHERE kind IN ('renewaldue', 'retiredcertificate', 'renewalwait') AND kind = :kind
   AND id > :id AND id < :before
 ORDER BY id LIMIT :limit"""

CONNECTED = """
SELECT account, region, id, body
  FROM resource
 WHERE kind IN ('renewaldue', 'retiredcertificate', 'renewalwait') AND kind = :kind AND id > :id
   AND EXISTS (SELECT 1
                 FROM connection
                WHERE connection.account = resource.account
                  AND connection.region = resource.region
                  AND connection.certificate_id = resource.id)
 ORDER BY id LIMIT :limit"""


def created_before(kind: str, before: float, after: tuple[float, str], limit: int) -> Query:
    """Up to ``limit`` of a kind of the first index that are as old or older, beyond ``after`` (created, id),
    oldest first. Ids must be of one resource each, whatever its account and region."""
    created, id = after
    return Query(OLD, {"kind": kind, "before": before, "created": created, "id": id, "limit": limit})


def named_before(kind: str, before: str, after: str, limit: int) -> Query:
    """Up to ``limit`` of a kind of the second index with ids beyond ``after`` and before ``before``. An id
    may be of several accounts and a page may end between them: the next time finds what it leaves."""
    return Query(NAMED, {"kind": kind, "before": before, "id": after, "limit": limit})


def connected_certificates(kind: str, after: str, limit: int) -> Query:
    """Up to ``limit`` resources of a kind whose ids are those of certificates, where a connection with that
    certificate is or was."""
    return Query(CONNECTED, {"kind": kind, "id": after, "limit": limit})
