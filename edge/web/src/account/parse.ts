/** What the accounts' API says; the authority is `origin/src/api`. Pure, and distrustful: what is not there is none. */

import { field, number, text, texts } from "../lib/json";

export interface User {
  readonly id: string;
  readonly login: string;
  readonly name: string;
  /** On the whole platform. */
  readonly roles: readonly string[];
  /** Per room. */
  readonly rooms: Readonly<Record<string, readonly string[]>>;
  readonly createdAtMs: number;
}

/** An access token, and whose it is. */
export interface SignedIn {
  readonly token: string;
  readonly expiresInMs: number;
  readonly user: User;
}

const EXPIRES_S_MAX = 24 * 3600;

export function parseUser(value: unknown): User | null {
  const id = text(field(value, "id"));
  if (id === "") {
    return null;
  }
  const rooms = field(value, "rooms");
  const named = typeof rooms === "object" && rooms !== null && !Array.isArray(rooms) ? Object.entries(rooms) : [];
  return {
    id,
    login: text(field(value, "login")),
    name: text(field(value, "name")),
    roles: texts(field(value, "roles")),
    rooms: Object.fromEntries(named.map(([room, roles]) => [room, texts(roles)])),
    createdAtMs: number(field(value, "created_at_ms")),
  };
}

export function parseSignedIn(value: unknown): SignedIn | null {
  const token = text(field(value, "access_token"));
  const user = parseUser(field(value, "user"));
  const seconds = number(field(value, "expires_in"));
  return token === "" || user === null || seconds <= 0 ? null : { token, expiresInMs: Math.min(seconds, EXPIRES_S_MAX) * 1000, user };
}

/** Whether somebody has one of these roles, on the platform or in this room. */
export function hasRole(user: User | null, room: string, ...roles: readonly string[]): boolean {
  const own = user === null ? [] : [...user.roles, ...(Object.hasOwn(user.rooms, room) ? (user.rooms[room] ?? []) : [])];
  return own.some((role) => roles.includes(role));
}
