/** Gifts as lines of a chat: the taps of a series are one line that grows, so that they do not drown what people say. Pure. */

import type { Gift } from "./gift";

/** A series further up than this gets a new line. */
const NEAR_LINES = 40;
const IDS_MAX = 1000;
/** So many lines of gifts in a row are a rush. */
const RUSH_LINES = 3;
/** If they came within this time. */
const RUSH_MS = 8000;

/** Several gifts of the same. `total` is how many there were. */
export interface Gifts {
  readonly gift: Gift;
  readonly total: number;
  readonly points: number;
  /** Which ones, the last of them: for what is paid back. */
  readonly ids: readonly string[];
  /** Other small gifts that came in a rush, and have no line of their own. */
  readonly more: number;
}

export function firstOf(gift: Gift): Gifts {
  return { gift, total: ofSeries(gift, 0), points: gift.points, ids: [gift.id], more: 0 };
}

/** One more of the same. */
export function grown(gifts: Gifts, gift: Gift): Gifts {
  return { ...gifts, gift, total: ofSeries(gift, gifts.total), points: gifts.points + gift.points, ids: [...gifts.ids, gift.id].slice(-IDS_MAX) };
}

/** The hub knows best how many there were; a page may have come in the middle. */
function ofSeries({ count, combo }: Gift, before: number): number {
  return Math.max(before + count, combo?.count ?? 0);
}

/** A gift of somebody else, or another one. */
export function joinedBy(gifts: Gifts, gift: Gift): Gifts {
  return { ...gifts, ids: [...gifts.ids, gift.id].slice(-IDS_MAX), more: gifts.more + gift.count };
}

/** Whether the end of the chat is gifts only: then a small one more goes into the last line, or nobody could read what people say. */
export function isRush(lines: readonly { readonly type: string; readonly atMs: number; readonly gifts?: Gifts }[], gift: Gift, atMs: number): boolean {
  const tail = lines.slice(-RUSH_LINES);
  const last = tail.at(-1)?.gifts?.gift;
  return last !== undefined && isSmall(last) && isSmall(gift) && gift.note === "" && tail.length === RUSH_LINES && tail.every((line) => line.type === "gift" && atMs - line.atMs < RUSH_MS);
}

function isSmall({ figure }: Gift): boolean {
  return figure === null || figure.tier === "small";
}

/** The line that this gift belongs to, or -1. What somebody wrote with a gift has a line of its own. */
export function lineOf(lines: readonly { readonly type: string; readonly gifts?: Gifts }[], gift: Gift): number {
  for (let at = lines.length - 1; at >= 0 && at >= lines.length - NEAR_LINES; at -= 1) {
    const known = lines[at]?.gifts?.gift;
    if (known === undefined || known.sender.id !== gift.sender.id || known.item !== gift.item || known.note !== "" || gift.note !== "") {
      continue;
    }
    const series = gift.combo !== null && known.combo?.id === gift.combo.id;
    if (series || (at === lines.length - 1 && gift.combo === null && known.combo === null)) {
      return at;
    }
  }
  return -1;
}
