-- A client id's persistent session. ends is 0 while a client is connected to it, then the civil time of its end.
CREATE TABLE session (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    client_id TEXT NOT NULL,
    protocol BIGINT NOT NULL,
    expiry DOUBLE PRECISION NOT NULL,
    ends DOUBLE PRECISION NOT NULL,
    subscriptions {json} NOT NULL,
    PRIMARY KEY (account, region, client_id)
);

-- The body of a QoS 1 message that sessions wait for, once for all of them. id grows with the time of arrival.
CREATE TABLE message (
    id BIGINT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload {blob} NOT NULL,
    properties {json} NOT NULL,
    origin {json} NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    expires DOUBLE PRECISION NOT NULL
);
CREATE INDEX message_by_expiry ON message (expires);

-- One entry per session that waits for a message. session is a client id, or a shared subscription with its $share/.
CREATE TABLE mailbox (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    session TEXT NOT NULL,
    message BIGINT NOT NULL,
    PRIMARY KEY (account, region, session, message)
);
CREATE INDEX mailbox_by_message ON mailbox (message);

CREATE TABLE retained (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload {blob} NOT NULL,
    qos BIGINT NOT NULL,
    properties {json} NOT NULL,
    updated DOUBLE PRECISION NOT NULL,
    expires DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (account, region, topic)
);
