-- The processes that work on this database. Each tells now and then that it lives and which calls live on it; `calls` is
-- a JSON object of call ids, each with for how many milliseconds nothing had come for it. `since_at`: from when on it has
-- told without a gap. Both moments are by the database's own clock, so that no two machines' clocks are compared.
CREATE TABLE nodes (
    id TEXT NOT NULL PRIMARY KEY,
    since_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    calls TEXT NOT NULL
);

-- Calls that are to be ended by the process on which they live.
CREATE TABLE wishes (
    call TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL
);
