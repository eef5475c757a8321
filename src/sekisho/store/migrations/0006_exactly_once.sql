-- QoS 2 messages that a session's client has published and not yet released, by packet identifier.
CREATE TABLE received (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    client_id TEXT NOT NULL,
    packet_id BIGINT NOT NULL,
    PRIMARY KEY (account, region, client_id, packet_id)
);

-- QoS 2 messages that a session's client is sent, by packet identifier. message is 0 once the client has it, so that
-- only the packet identifier is left to be released.
CREATE TABLE flight (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    client_id TEXT NOT NULL,
    packet_id BIGINT NOT NULL,
    message BIGINT NOT NULL,
    retain BIGINT NOT NULL,
    identifiers {json} NOT NULL,
    PRIMARY KEY (account, region, client_id, packet_id)
);
CREATE INDEX flight_by_message ON flight (message);
