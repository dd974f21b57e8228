-- Ways into the audit trail for whoever searches it; each ends in the number, in whose order pages are told.
CREATE INDEX audit_by_name ON audit (name, number);
CREATE INDEX audit_by_action ON audit (action, number);
CREATE INDEX audit_by_resource ON audit (resource, number);
CREATE INDEX audit_by_outcome ON audit (outcome, number);
CREATE INDEX audit_by_address ON audit (address, number);
CREATE INDEX audit_by_time ON audit (at, number);
