-- The one row everything is ordered by.
CREATE TABLE revision (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  rev INTEGER NOT NULL,        -- of the last committed write
  compacted INTEGER NOT NULL,  -- the change log is complete after it
  epoch INTEGER NOT NULL,      -- the number of the history, see Store::epoch
  clean INTEGER NOT NULL       -- 1 after an orderly close
);
INSERT INTO revision (one, rev, compacted, epoch, clean) VALUES (1, 0, 0, 1, 1);

-- The present alone, so that a list is one scan of the index. With rowids: objects are larger than what an index page holds well.
CREATE TABLE object (
  resource TEXT NOT NULL,
  namespace TEXT NOT NULL,     -- '' is cluster scope
  name TEXT NOT NULL,
  rev INTEGER NOT NULL,
  create_rev INTEGER NOT NULL,
  expires INTEGER,             -- seconds since 1970
  data BLOB NOT NULL,
  PRIMARY KEY (resource, namespace, name)
);
CREATE INDEX object_expires ON object (expires) WHERE expires IS NOT NULL;

-- What happened, in order, since the last compaction.
CREATE TABLE event (
  rev INTEGER PRIMARY KEY,
  resource TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  op INTEGER NOT NULL,         -- 1 create, 2 update, 3 delete
  create_rev INTEGER NOT NULL,
  data BLOB NOT NULL           -- the new state; of a deleted object the last
);
