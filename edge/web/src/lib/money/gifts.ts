/** Gifts of a room as they come: what the server has recorded, and what the room told meanwhile. Pure. */

import type { GiftRecord, Person } from "./types";

const DAY_MS = 24 * 3600_000;
/** Shown at most. */
export const GIFTS_SHOWN_MAX = 50;

/** A gift as the room tells of it: what was paid is not said. */
export interface ToldGift {
  readonly id: string;
  readonly atMs: number;
  readonly sender: Person;
  readonly item: string;
  readonly count: number;
  readonly points: number;
  readonly note: string;
  /** What it looks like, where the catalogue does not say. */
  readonly figure?: { readonly emoji: string; readonly name: string } | null;
}

export interface ShownGift extends ToldGift {
  /** Null until it is known. */
  readonly total: number | null;
  readonly state: string;
}

/** The newest first, each once; what is recorded counts for more than what was told. From `sinceMs` on. */
export function shownGifts(recorded: readonly GiftRecord[], told: readonly ToldGift[], sinceMs: number): readonly ShownGift[] {
  const known = new Map<string, ShownGift>();
  for (const gift of told) {
    known.set(gift.id, { ...gift, total: null, state: "given" });
  }
  for (const gift of recorded) {
    known.set(gift.id, { ...gift, figure: known.get(gift.id)?.figure ?? null });
  }
  return [...known.values()]
    .filter(({ atMs }) => atMs >= sinceMs)
    .sort((one, other) => other.atMs - one.atMs)
    .slice(0, GIFTS_SHOWN_MAX);
}

/** When the day of `nowMs` began, in UTC: as the server's days of earnings and leaderboards do. */
export function dayBegan(nowMs: number): number {
  return nowMs - (nowMs % DAY_MS);
}
