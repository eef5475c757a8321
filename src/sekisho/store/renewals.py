"""Which new certificates somebody has connected with: the tables ``resource`` and ``connection`` together."""

from __future__ import annotations

from sekisho.store.statement import Query

CONNECTED = """
SELECT id, body
  FROM resource
 WHERE account = :account AND region = :region AND kind = :kind
   AND EXISTS (SELECT 1
                 FROM connection
                WHERE connection.account = resource.account
                  AND connection.region = resource.region
                  AND connection.certificate_id = resource.id)
 ORDER BY id LIMIT :limit"""


def connected_certificates(account: str, region: str, kind: str, limit: int) -> Query:
    """Up to ``limit`` resources of a kind whose ids are those of certificates, where a connection with that
    certificate is or was."""
    return Query(CONNECTED, {"account": account, "region": region, "kind": kind, "limit": limit})
