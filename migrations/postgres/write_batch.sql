-- All writes of one batch, each conditional on what its author saw. One write per object; the row of `revision` is locked by the statement before.
WITH request AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bytea[])
    WITH ORDINALITY AS t (resource, namespace, name, op, expect, expires, data, n)
), created AS (
  INSERT INTO object (resource, namespace, name, rev, create_rev, expires, data)
  SELECT resource, namespace, name, $8 + n, $8 + n, expires, data FROM request WHERE op = 1
  ON CONFLICT DO NOTHING
  RETURNING resource, namespace, name, rev, create_rev, data
), updated AS (
  UPDATE object AS o SET rev = $8 + r.n, expires = r.expires, data = r.data
  FROM request AS r
  WHERE r.op = 2 AND o.resource = r.resource AND o.namespace = r.namespace AND o.name = r.name AND o.rev = r.expect
  RETURNING o.resource, o.namespace, o.name, o.rev, o.create_rev, o.data
), deleted AS (
  DELETE FROM object AS o USING request AS r
  WHERE r.op = 3 AND o.resource = r.resource AND o.namespace = r.namespace AND o.name = r.name AND o.rev = r.expect
  RETURNING o.resource, o.namespace, o.name, $8 + r.n AS rev, o.create_rev, o.data
), change AS (
  SELECT resource, namespace, name, rev, 1 AS op, create_rev, data FROM created
  UNION ALL SELECT resource, namespace, name, rev, 2, create_rev, data FROM updated
  UNION ALL SELECT resource, namespace, name, rev, 3, create_rev, data FROM deleted
), logged AS (
  INSERT INTO event (resource, namespace, name, rev, op, create_rev, session, data)
  SELECT resource, namespace, name, rev, op, create_rev, $9, data FROM change
)
SELECT rev, create_rev, CASE WHEN op = 3 THEN data END AS last FROM change ORDER BY rev
