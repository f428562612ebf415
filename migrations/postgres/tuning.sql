-- Applied where the database knows it; nothing depends on it. Room for updates in place, no compression of what is small, vacuum in time.
ALTER TABLE revision SET (fillfactor = 10, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
ALTER TABLE object SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE object ALTER data SET STORAGE EXTERNAL;
ALTER TABLE event ALTER data SET STORAGE EXTERNAL;
