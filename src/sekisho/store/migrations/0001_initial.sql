-- Written once for both engines; what differs is a token in braces (see migrations.py).
-- The table meta is made before the first script runs, since it says which scripts have run.

-- The registry's documents. Text is ordered by its UTF-8 bytes in both engines.
CREATE TABLE resource (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    body {json} NOT NULL,
    created DOUBLE PRECISION NOT NULL,
    updated DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (account, region, kind, id)
);
CREATE INDEX resource_by_created ON resource (account, region, kind, created, id);

-- What is attached to what, readable from both ends.
CREATE TABLE link (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    body {json} NOT NULL,
    created DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (account, region, kind, source, target)
);
CREATE INDEX link_by_target ON link (account, region, kind, target, source);

-- The feed that every node follows. seq grows in the order of commits and is never given twice.
CREATE TABLE change (
    seq {serial_key},
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    what TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL
);

-- Who does which periodic work, and until when.
CREATE TABLE lease (
    name TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    until DOUBLE PRECISION NOT NULL
);

-- Who did what.
CREATE TABLE audit (
    seq {serial_key},
    at DOUBLE PRECISION NOT NULL,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    principal TEXT NOT NULL,
    service TEXT NOT NULL,
    operation TEXT NOT NULL,
    resource TEXT NOT NULL,
    outcome TEXT NOT NULL,
    request_id TEXT NOT NULL,
    source_ip TEXT NOT NULL,
    detail {json} NOT NULL
);
CREATE INDEX audit_by_at ON audit (account, region, at);

-- Which device was turned away, and why. What is not known of it is NULL.
CREATE TABLE refusal (
    seq {serial_key},
    at DOUBLE PRECISION NOT NULL,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    client_id TEXT,
    certificate_id TEXT,
    thing_name TEXT,
    body {json} NOT NULL
);
CREATE INDEX refusal_by_client ON refusal (account, region, client_id, seq);
CREATE INDEX refusal_by_certificate ON refusal (account, region, certificate_id, seq);
CREATE INDEX refusal_by_thing ON refusal (account, region, thing_name, seq);
