-- Slow work, done at least once. `due_at` is when a job may be begun; one that runs has it in the future, and whoever
-- runs it moves it on, so that a job whose process died is begun again. `attempts` counts the beginnings and is what
-- a late end is told apart by. `state`: open, done, given_up.
CREATE TABLE jobs (
    seq BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    last_error TEXT,
    ended_at BIGINT,
    UNIQUE (kind, key)
);
CREATE INDEX jobs_open ON jobs (kind, due_at) WHERE state = 'open';
