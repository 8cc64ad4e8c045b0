-- What the whole server has placed within a day is looked up before each dial.
CREATE INDEX attempts_by_time ON attempts (at);
