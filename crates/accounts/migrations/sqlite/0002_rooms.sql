-- Whoever deletes a room looks for everybody's roles in it.
CREATE INDEX accounts_roles_room ON accounts_roles (room);
