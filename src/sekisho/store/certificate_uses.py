"""Which certificates have been used more than once, out of the table ``connection``."""

from __future__ import annotations

from sekisho.store.statement import Query

# The index connection_by_certificate has them in this order.
SEVERAL = """
SELECT certificate_id
  FROM connection
 WHERE account = :account AND region = :region AND certificate_id > :after
 GROUP BY certificate_id
HAVING COUNT(*) > 1
 ORDER BY certificate_id LIMIT :limit"""


def certificates_of_several_connections(account: str, region: str, after: str, limit: int) -> Query:
    """Up to ``limit`` ids beyond ``after`` ('' for all) of certificates with more than one connection."""
    return Query(SEVERAL, {"account": account, "region": region, "after": after, "limit": limit})
