-- Messages that a commit has caused, until they are their receivers' own rows. seq grows in the order of commits.
CREATE TABLE outbox (
    seq {serial_key},
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload {blob} NOT NULL,
    at DOUBLE PRECISION NOT NULL
);
