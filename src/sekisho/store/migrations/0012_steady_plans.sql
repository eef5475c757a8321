-- An index WHERE kind = 'x' has SQLite compile every statement with kind = :kind anew at each execution, since it might
-- be that kind; one with a list of kinds does not. No resource is of the kind ''. As in store/memberships.py, word for word.
DROP INDEX resource_dynamic_groups;
CREATE INDEX resource_dynamic_groups ON resource (account, region, created, id) WHERE kind IN ('dynamicgroup', '');
