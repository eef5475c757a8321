-- Who was connected, as whom, from where and until when. id begins with the time, so that newer ones are greater.
-- disconnected is 0 while the connection lasts.
CREATE TABLE connection (
    id TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    client_id TEXT NOT NULL,
    certificate_id TEXT NOT NULL,
    address TEXT NOT NULL,
    protocol BIGINT NOT NULL,
    connected DOUBLE PRECISION NOT NULL,
    disconnected DOUBLE PRECISION NOT NULL,
    reason TEXT NOT NULL,
    detail {json} NOT NULL
);
CREATE INDEX connection_by_client ON connection (account, region, client_id, id);
CREATE INDEX connection_by_certificate ON connection (account, region, certificate_id, id);
CREATE INDEX connection_by_end ON connection (disconnected, account, region, id);
