-- Grows with every stop, over a deletion, too: an origin that looks now and then sees that it missed one.
ALTER TABLE channels_rooms ADD COLUMN stops INTEGER NOT NULL DEFAULT 0;
