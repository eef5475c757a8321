-- Things whose document in the index (scope) has changed, so that their membership of dynamic groups has to be looked at.
-- turn is that of the commit of the index which changed it: a row that came since is another row.
CREATE TABLE membership_due (
    turn BIGINT NOT NULL,
    scope BIGINT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (turn, scope, name)
){clustered};

-- Which groups are dynamic, of all accounts and regions or of one.
CREATE INDEX resource_dynamic_groups ON resource (account, region, created, id) WHERE kind = 'dynamicgroup';

-- For when a fleet metric was last computed: slot, a multiple of its period, is in civil epoch seconds.
CREATE TABLE fleet_metric_run (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    period BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    PRIMARY KEY (account, region, name)
){clustered};

-- What came of it; one row for each of the metric's aggregations.
CREATE TABLE fleet_metric_value (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    slot BIGINT NOT NULL,
    aggregation TEXT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (account, region, name, slot, aggregation)
){clustered};
