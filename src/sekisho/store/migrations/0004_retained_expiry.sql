-- What has expired is deleted from time to time, without a walk over all.
CREATE INDEX retained_by_expiry ON retained (expires);
