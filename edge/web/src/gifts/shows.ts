/**
 * Gifts that wait to be played over the picture: bounded, dear ones first. When there are too many the small ones merge; a dear
 * one gives way only to others that are as dear. What has waited too long is of another moment of the picture, and is not
 * played any more: the chat has it. Pure: the time is an argument.
 */

import type { Tier } from "../room/gift";

export const SHOWS_MAX = 64;
const PATIENCE_MS: Readonly<Record<Tier, number>> = { small: 10_000, big: 20_000, huge: 60_000 };

export interface Show {
  readonly tier: Tier;
  readonly item: string;
  readonly emoji: string;
  readonly name: string;
  /** Empty when several people's are one. */
  readonly sender: string;
  readonly senderId: string;
  readonly count: number;
  readonly durationMs: number;
}

interface Waiting extends Show {
  readonly sinceMs: number;
}

export class ShowQueue {
  readonly #max: number;
  #shows: Waiting[] = [];

  constructor(max = SHOWS_MAX) {
    this.#max = max;
  }

  get length(): number {
    return this.#shows.length;
  }

  count(tier: Tier): number {
    return this.#shows.filter((show) => show.tier === tier).length;
  }

  push(show: Show, nowMs: number): void {
    if (this.#merge((known) => known.item === show.item && known.senderId === show.senderId, show)) {
      return;
    }
    if (this.#shows.length >= this.#max && !this.#mergeSmall(show)) {
      return;
    }
    this.#shows.push({ ...show, sinceMs: nowMs });
  }

  /** The one that came first of this tier. */
  take(tier: Tier, nowMs: number): Show | null {
    this.#shows = this.#shows.filter((show) => nowMs - show.sinceMs <= PATIENCE_MS[show.tier]);
    const at = this.#shows.findIndex((show) => show.tier === tier);
    return at === -1 ? null : (this.#shows.splice(at, 1)[0] ?? null);
  }

  clear(): void {
    this.#shows = [];
  }

  #merge(same: (known: Show) => boolean, show: Show): boolean {
    const at = this.#shows.findIndex(same);
    const known = this.#shows[at];
    if (known === undefined) {
      return false;
    }
    const sender = known.senderId === show.senderId ? { sender: known.sender, senderId: known.senderId } : { sender: "", senderId: "" };
    this.#shows[at] = { ...known, ...sender, count: known.count + show.count };
    return true;
  }

  /** Makes room; false where `show` itself went into another, or there is none. */
  #mergeSmall(show: Show): boolean {
    if (show.tier === "small" && this.#merge((known) => known.tier === "small" && known.item === show.item, show)) {
      return false;
    }
    // The oldest small one goes into another of its kind, or goes: it has its line in the chat.
    const smalls = this.#shows.filter(({ tier }) => tier === "small");
    const [oldest] = smalls;
    if (oldest === undefined) {
      if (show.tier === "small" || (show.tier === "big" && this.count("big") === 0)) {
        return false;
      }
      const at = this.#shows.findIndex(({ tier }) => tier === "big");
      this.#shows.splice(Math.max(0, at), 1);
      return true;
    }
    this.#shows.splice(this.#shows.indexOf(oldest), 1);
    this.#merge((known) => known.tier === "small" && known.item === oldest.item, oldest);
    return true;
  }
}
