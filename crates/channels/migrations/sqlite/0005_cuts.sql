-- How often all keys of a room were taken back: another origin, too, cuts off who published before.
ALTER TABLE channels_rooms ADD COLUMN cuts INTEGER NOT NULL DEFAULT 0;
