-- One text for SQLite and PostgreSQL: only TEXT and BIGINT. Moments are microseconds since 1970, UTC.

-- The number that orders everything, counted up by each write. Its row is also the lock under which all writes run.
CREATE TABLE counter (
    name TEXT NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);
INSERT INTO counter (name, last) VALUES ('seq', 0);

-- What is known of this database: `id`.
CREATE TABLE facts (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- What calls are looked up by. The whole record lies beside it, so that a page of a list reads little.
CREATE TABLE calls (
    id TEXT NOT NULL PRIMARY KEY,
    carrier TEXT NOT NULL,
    carrier_call_id TEXT NOT NULL,
    direction TEXT NOT NULL,
    status TEXT NOT NULL,
    is_final BIGINT NOT NULL,
    end_reason TEXT,
    agent TEXT NOT NULL,
    from_number TEXT,
    to_number TEXT,
    started_at BIGINT NOT NULL,
    answered_at BIGINT,
    ended_at BIGINT
);
CREATE INDEX calls_by_time ON calls (started_at, id);
CREATE INDEX calls_by_status ON calls (status, started_at, id);
CREATE INDEX calls_by_end_reason ON calls (end_reason, started_at, id);
CREATE INDEX calls_by_direction ON calls (direction, started_at, id);
CREATE INDEX calls_by_carrier ON calls (carrier, started_at, id);
CREATE INDEX calls_by_agent ON calls (agent, started_at, id);
CREATE INDEX calls_by_caller ON calls (from_number, started_at, id);
CREATE INDEX calls_by_callee ON calls (to_number, started_at, id);
CREATE INDEX calls_by_carrier_call ON calls (carrier_call_id, carrier);
CREATE INDEX calls_unfinished ON calls (started_at, id) WHERE is_final = 0;

CREATE TABLE records (
    call TEXT NOT NULL PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE,
    record TEXT NOT NULL
);

-- A second id of a call: a server that died and the one that took the call over each made a folder for it.
CREATE TABLE aliases (
    alias TEXT NOT NULL PRIMARY KEY,
    call TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE
);
CREATE INDEX aliases_by_call ON aliases (call);

-- Dials.
CREATE TABLE attempts (
    call TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    n BIGINT NOT NULL,
    asked_by TEXT NOT NULL,
    at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    settled_at BIGINT,
    PRIMARY KEY (call, n)
);
CREATE INDEX attempts_by_asker ON attempts (asked_by, at);

-- What was measured of each turn. Its words lie in the record alone, so that erasing them has one place.
CREATE TABLE turns (
    call TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    n BIGINT NOT NULL,
    speaker TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    served_by TEXT NOT NULL,
    total_us BIGINT,
    endpoint_us BIGINT,
    transcript_us BIGINT,
    model_us BIGINT,
    tool_us BIGINT,
    sentence_us BIGINT,
    queue_us BIGINT,
    voice_us BIGINT,
    send_us BIGINT,
    carrier_us BIGINT,
    filler_us BIGINT,
    PRIMARY KEY (call, n)
);

-- `place` is `file` for our own, in the call's folder, and `carrier` for the address of the carrier's.
CREATE TABLE recordings (
    call TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    place TEXT NOT NULL,
    location TEXT NOT NULL,
    PRIMARY KEY (call, place, location)
);

CREATE TABLE events (
    seq BIGINT NOT NULL PRIMARY KEY,
    call TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    event TEXT NOT NULL
);
CREATE INDEX events_by_call ON events (call, seq);

-- What carriers sent, once each.
CREATE TABLE callbacks (
    seq BIGINT NOT NULL PRIMARY KEY,
    carrier TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    call TEXT REFERENCES calls (id) ON DELETE CASCADE,
    body TEXT NOT NULL,
    UNIQUE (carrier, kind, key)
);
CREATE INDEX callbacks_by_call ON callbacks (call, seq);
CREATE INDEX callbacks_by_time ON callbacks (carrier, kind, received_at);

-- Words about calls that are not known yet.
CREATE TABLE waiting (
    seq BIGINT NOT NULL PRIMARY KEY,
    call TEXT,
    carrier TEXT,
    carrier_call_id TEXT,
    events TEXT NOT NULL,
    callback BIGINT REFERENCES callbacks (seq) ON DELETE CASCADE
);
CREATE INDEX waiting_by_call ON waiting (call);
CREATE INDEX waiting_by_carrier_call ON waiting (carrier_call_id, carrier);

-- Callbacks that were refused, by the minute.
CREATE TABLE refusals (
    carrier TEXT NOT NULL,
    kind TEXT NOT NULL,
    minute BIGINT NOT NULL,
    times BIGINT NOT NULL,
    PRIMARY KEY (carrier, kind, minute)
);

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    revoked_at BIGINT
);

CREATE TABLE idempotency (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    digest TEXT NOT NULL,
    call TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    at BIGINT NOT NULL,
    status BIGINT,
    body TEXT,
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_by_call ON idempotency (call);
