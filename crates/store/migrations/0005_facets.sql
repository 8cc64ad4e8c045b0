-- Lists filter calls by five words at once. `facets` holds them together: direction, carrier, status, end reason and
-- agent, a blank between them. There are few different ones, so a list asks first which of them it wants, and then for
-- the newest calls of each, which an index gives in order: filters that contradict each other cost nothing. The indexes
-- by time and by number end with it, so that what is passed over is passed over in the index.
ALTER TABLE calls ADD COLUMN facets TEXT NOT NULL DEFAULT '';
UPDATE calls
SET facets = direction || ' ' || carrier || ' ' || status || ' ' || COALESCE(end_reason, '') || ' ' || agent;

DROP INDEX calls_by_time;
DROP INDEX calls_by_status;
DROP INDEX calls_by_end_reason;
DROP INDEX calls_by_direction;
DROP INDEX calls_by_carrier;
DROP INDEX calls_by_agent;
DROP INDEX calls_by_caller;
DROP INDEX calls_by_callee;
CREATE INDEX calls_by_facets ON calls (facets, started_at, id);
CREATE INDEX calls_by_time ON calls (started_at, id, facets);
CREATE INDEX calls_by_caller ON calls (from_number, started_at, id, facets);
CREATE INDEX calls_by_callee ON calls (to_number, started_at, id, facets);
