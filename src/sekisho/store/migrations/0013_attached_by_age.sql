-- What a policy is attached to, in the order in which that was done: there may be a million of it. For the second kind,
-- which no link has, see 0012_steady_plans.sql; as in store/links.py, word for word.
CREATE INDEX link_attached_by_age ON link (account, region, source, created, target)
 WHERE kind IN ('attached-policy', '');
