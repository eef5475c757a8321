-- Documents of things have billing groups, and more of a connection: they are all built anew.
UPDATE index_scope SET status = 'REBUILDING', place = '' WHERE name = 'AWS_Things' AND status = 'ACTIVE';
UPDATE index_scope SET place = '' WHERE name = 'AWS_Things' AND status IN ('BUILDING', 'REBUILDING');
