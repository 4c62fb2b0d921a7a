/** Gifts as a room's events have them; the authority is `crates/rooms/src/schema/event.rs`. Pure, and distrustful. */

import { field, number, parsedJson, text } from "../lib/json";
import type { User } from "./protocol";

export type Tier = "small" | "big" | "huge";

/** A series: of one sender and item, each within `windowMs` of the one before. */
export interface Combo {
  readonly id: string;
  /** How many so far, this gift's included. */
  readonly count: number;
  readonly windowMs: number;
}

/** What is shown where the page knows no catalogue. */
export interface Figure {
  readonly emoji: string;
  readonly name: string;
  readonly tier: Tier;
  readonly durationMs: number;
}

export interface Gift {
  readonly id: string;
  readonly sender: User;
  readonly recipient: string;
  readonly item: string;
  readonly count: number;
  readonly points: number;
  readonly note: string;
  readonly combo: Combo | null;
  readonly figure: Figure | null;
}

export const EMOJI_DEFAULT = "🎁";
const EMOJI_CHARACTERS_MAX = 8;
const NAME_CHARACTERS_MAX = 60;
const COUNT_MAX = 1_000_000;
const DURATION_MS_MAX = 15_000;
const WINDOW_MS_MAX = 60_000;

export function tierOf(value: unknown): Tier {
  return value === "big" || value === "huge" ? value : "small";
}

/** A few characters that stand for an item; not a word that covers the page. */
export function emojiOf(value: unknown): string {
  const characters = [...text(value).trim()];
  return characters.length === 0 || characters.length > EMOJI_CHARACTERS_MAX ? EMOJI_DEFAULT : characters.join("");
}

export function shortName(value: unknown): string {
  return [...text(value).trim()].slice(0, NAME_CHARACTERS_MAX).join("");
}

export function durationOf(value: unknown): number {
  const ms = typeof value === "string" && /^\d{1,6}$/.test(value) ? Number(value) : number(value);
  return Math.min(Math.max(0, ms), DURATION_MS_MAX);
}

export function parseGift(from: unknown, sender: User): Gift {
  const combo = field(from, "combo");
  const comboId = text(field(combo, "id"));
  return {
    id: text(field(from, "id")),
    sender,
    recipient: text(field(from, "recipient")),
    item: text(field(from, "item")),
    count: whole(field(from, "count")),
    points: Math.max(0, number(field(from, "points"))),
    note: text(field(from, "note")),
    combo: comboId === "" ? null : { id: comboId, count: whole(field(combo, "count")), windowMs: Math.min(WINDOW_MS_MAX, Math.max(500, number(field(combo, "window_ms")))) },
    figure: figureOf(field(from, "animation")),
  };
}

function figureOf(animation: unknown): Figure | null {
  if (animation === undefined || animation === null) {
    return null;
  }
  const payload = field(animation, "payload");
  const known = typeof payload === "string" ? parsedJson(payload) : payload;
  return {
    emoji: emojiOf(field(known, "emoji")),
    name: shortName(field(known, "name")),
    tier: tierOf(field(known, "tier")),
    durationMs: durationOf(field(animation, "duration_ms")),
  };
}

function whole(value: unknown): number {
  return Math.min(COUNT_MAX, Math.max(1, Math.floor(number(value))));
}
