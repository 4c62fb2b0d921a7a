/** What can be given in a room. Pure, but for `fetchCatalogue`. */

import { Problem } from "../account/problem";
import type { Session } from "../account/session";
import { field, list, number, text } from "../lib/json";
import { roomPath } from "../room/connection";
import { durationOf, emojiOf, type Gift, shortName, type Tier, tierOf } from "../room/gift";

export interface Item {
  readonly id: string;
  readonly name: string;
  /** Coins for one. */
  readonly price: number;
  readonly emoji: string;
  readonly tier: Tier;
  /** Whether taps in a row are a series. */
  readonly combo: boolean;
  readonly durationMs: number;
}

const ITEMS_MAX = 200;
export const TIERS: readonly Tier[] = ["small", "big", "huge"];

export function parseCatalogue(value: unknown): readonly Item[] {
  const items: Item[] = [];
  const known = new Set<string>();
  for (const from of list(field(value, "items"))) {
    const id = text(field(from, "id"));
    const price = number(field(from, "price"));
    // What costs something else than coins this page cannot show the price of.
    if (id === "" || known.has(id) || !Number.isInteger(price) || price <= 0 || field(from, "currency") !== "coin" || items.length === ITEMS_MAX) {
      continue;
    }
    known.add(id);
    const attrs = field(from, "attrs");
    const name = shortName(field(from, "name"));
    items.push({
      id,
      name: name === "" ? id : name,
      price,
      emoji: emojiOf(field(attrs, "emoji")),
      tier: tierOf(field(attrs, "tier")),
      combo: field(attrs, "combo") !== "no",
      durationMs: durationOf(field(attrs, "duration_ms")),
    });
  }
  return items;
}

/** By tier, cheap ones first. */
export function inOrder(items: readonly Item[]): readonly Item[] {
  return [...items].sort((a, b) => TIERS.indexOf(a.tier) - TIERS.indexOf(b.tier) || a.price - b.price || (a.id < b.id ? -1 : 1));
}

/** What a gift looks like: the event says it, else the catalogue, else a parcel. */
export function lookOf(gift: Gift, items: ReadonlyMap<string, Item>): { readonly emoji: string; readonly name: string; readonly tier: Tier; readonly durationMs: number } {
  const item = items.get(gift.item);
  const { figure } = gift;
  return {
    emoji: figure?.emoji ?? item?.emoji ?? emojiOf(""),
    name: figure !== null && figure.name !== "" ? figure.name : (item?.name ?? gift.item),
    tier: figure?.tier ?? item?.tier ?? "small",
    durationMs: figure !== null && figure.durationMs > 0 ? figure.durationMs : (item?.durationMs ?? 0),
  };
}

/** None where no gifts are given; rejects where nobody answers. */
export async function fetchCatalogue(session: Session, room: string): Promise<readonly Item[]> {
  try {
    return inOrder(parseCatalogue(await session.json(`${roomPath(room)}/gifts`)));
  } catch (error) {
    if (error instanceof Problem && (error.status === 404 || error.status === 403)) {
      return [];
    }
    throw error;
  }
}
