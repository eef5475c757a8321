-- The delayed will of a client with a persistent session. due is 0 while the client is connected, then the civil time
-- at which the will is to be published.
CREATE TABLE will (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    client_id TEXT NOT NULL,
    payload {blob} NOT NULL,
    detail {json} NOT NULL,
    delay DOUBLE PRECISION NOT NULL,
    due DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (account, region, client_id)
);
