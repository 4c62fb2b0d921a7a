-- Whose gift a delivery tells of: what waits is removed with who is erased.
ALTER TABLE channels_deliveries ADD COLUMN sender TEXT;
CREATE INDEX channels_deliveries_sender ON channels_deliveries (sender) WHERE sender IS NOT NULL;
CREATE INDEX channels_rooms_owner ON channels_rooms (owner) WHERE owner IS NOT NULL;
