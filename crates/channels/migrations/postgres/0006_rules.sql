-- What may be published to a room, as the API that made it writes it; empty: as everywhere.
ALTER TABLE channels_rooms ADD COLUMN rules text NOT NULL DEFAULT '';
