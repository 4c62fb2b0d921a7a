-- Who stopped a room: 0 nobody, 1 staff, 2 its broadcaster, 3 a moderator. Who stopped those that are
-- stopped by now was not written down: staff open them.
ALTER TABLE channels_rooms ADD COLUMN stopped_by bigint NOT NULL DEFAULT 0 CHECK (stopped_by BETWEEN 0 AND 3);
UPDATE channels_rooms SET stopped_by = 1 WHERE state = 1;
