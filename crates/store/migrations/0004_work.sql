-- What is shown of jobs: when each was asked for and since when an attempt runs. `attempts_before` is how many there had
-- been when somebody had a job tried again that was given up: only those after it count against the most there may be,
-- while `attempts` goes on, since a late end is told apart by it.
ALTER TABLE jobs ADD COLUMN asked_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN begun_at BIGINT;
ALTER TABLE jobs ADD COLUMN attempts_before BIGINT NOT NULL DEFAULT 0;
CREATE INDEX jobs_shown ON jobs (seq) WHERE state <> 'done';
CREATE INDEX jobs_ended ON jobs (state, ended_at) WHERE ended_at IS NOT NULL;

-- What is taken out once it is old. `kept_at` is when words began to wait.
ALTER TABLE waiting ADD COLUMN kept_at BIGINT;
CREATE INDEX idempotency_by_time ON idempotency (at);
CREATE INDEX callbacks_of_no_call ON callbacks (received_at) WHERE call IS NULL;

-- What somebody should look at, as far as every process sees the same of it: raised by the one that sees it first,
-- cleared by the one that first sees that it is over.
CREATE TABLE alerts (
    name TEXT NOT NULL PRIMARY KEY,
    raised_at BIGINT NOT NULL
);
