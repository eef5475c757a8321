-- What waits for its time, of all accounts and regions: periodic work asks once, however many there are. The lists
-- of kinds are those of store/due.py, word for word, for only then are these indexes used.
CREATE INDEX resource_due_by_age ON resource (kind, created, id) WHERE kind IN ('ownershiptoken', 'claim');
CREATE INDEX resource_due_by_id ON resource (kind, id)
    WHERE kind IN ('renewaldue', 'retiredcertificate', 'renewalwait');
