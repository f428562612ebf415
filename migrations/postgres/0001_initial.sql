-- Portable subset: no sequences, triggers, functions, advisory locks or enums, so that databases that speak Postgres' protocol will do.

-- The one row everything is ordered by: who writes holds its lock until the end of its transaction.
CREATE TABLE revision (
  one smallint PRIMARY KEY CHECK (one = 1),
  rev bigint NOT NULL,        -- of the last committed write
  compacted bigint NOT NULL,  -- the change log is complete after it
  epoch bigint NOT NULL,      -- the number of the history, see Store::epoch
  sessions bigint NOT NULL    -- writing sessions there have ever been; gives each its number
);
INSERT INTO revision (one, rev, compacted, epoch, sessions) VALUES (1, 0, 0, 1, 0);

-- The present alone, so that a list is one scan of the index.
CREATE TABLE object (
  resource text COLLATE "C" NOT NULL,
  namespace text COLLATE "C" NOT NULL,  -- '' is cluster scope
  name text COLLATE "C" NOT NULL,
  rev bigint NOT NULL,
  create_rev bigint NOT NULL,
  expires bigint,                       -- seconds since 1970
  data bytea NOT NULL,
  PRIMARY KEY (resource, namespace, name)
);
CREATE INDEX object_expires ON object (expires) WHERE expires IS NOT NULL;

-- What happened, in order, since the last compaction.
CREATE TABLE event (
  rev bigint PRIMARY KEY,
  resource text COLLATE "C" NOT NULL,
  namespace text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  op smallint NOT NULL,                 -- 1 create, 2 update, 3 delete
  create_rev bigint NOT NULL,
  session bigint NOT NULL,              -- who wrote it: tells whether a commit whose answer was lost happened
  data bytea NOT NULL                   -- the new state; of a deleted object the last
);
