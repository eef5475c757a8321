-- How far the fleet index has come: seq of the last change that is in it. turn counts its commits, so that two nodes
-- cannot both make the next one; owner makes them until the given time. Numbers are given from documents, fields, scopes.
CREATE TABLE index_progress (
    id BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    turn BIGINT NOT NULL,
    owner TEXT NOT NULL,
    until DOUBLE PRECISION NOT NULL,
    documents BIGINT NOT NULL,
    fields BIGINT NOT NULL,
    scopes BIGINT NOT NULL
);
INSERT INTO index_progress (id, seq, turn, owner, until, documents, fields, scopes) VALUES (1, 0, 0, '', 0, 1, 1, 1);

-- One index of one account and region. place is the name up to which it has been built, while it is.
CREATE TABLE index_scope (
    id BIGINT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    connectivity BIGINT NOT NULL,
    place TEXT NOT NULL,
    UNIQUE (account, region, name)
);

-- spoken is 0 for what a term without a field does not search.
CREATE TABLE index_field (
    id BIGINT NOT NULL PRIMARY KEY,
    scope BIGINT NOT NULL,
    name TEXT NOT NULL,
    spoken BIGINT NOT NULL,
    UNIQUE (scope, name)
);

CREATE TABLE index_document (
    scope BIGINT NOT NULL,
    name TEXT NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
){clustered};
CREATE UNIQUE INDEX index_document_by_id ON index_document (scope, id);

-- A value of a field of a document: value is what is compared, number where it looks like one, shown what was given
-- where that is another than value ('' for one word of a text).
CREATE TABLE index_term (
    field BIGINT NOT NULL,
    value TEXT NOT NULL,
    document BIGINT NOT NULL,
    number DOUBLE PRECISION,
    shown TEXT,
    PRIMARY KEY (field, value, document)
){clustered};
CREATE INDEX index_term_by_document ON index_term (document, field, number);
CREATE INDEX index_term_by_number ON index_term (field, number, document) WHERE number IS NOT NULL;
