-- What a policy is attached to, in the order in which that was done: there may be a million of it.
CREATE INDEX link_attached_by_age ON link (account, region, source, created, target) WHERE kind = 'attached-policy';
