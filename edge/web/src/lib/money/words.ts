/** Money, moments and ledger accounts as text. Pure; the admin page's language is English. */

import type { Difference, Item, LedgerAccount } from "./types";

/** `1 coin`, `1,234 coins`, `−50 diamonds`. */
export function sum(amount: number, currency: string, locale?: string): string {
  return `${grouped(amount, locale)} ${Math.abs(amount) === 1 ? currency : plural(currency)}`;
}

function plural(currency: string): string {
  return currency === "" ? "" : `${currency}s`;
}

/** `1,234`, with a true minus. */
export function grouped(value: number, locale?: string): string {
  return value.toLocaleString(locale).replace("-", "\u2212");
}

/** `+1,234`, `−50`. */
export function signed(value: number, locale?: string): string {
  return value > 0 ? `+${grouped(value, locale)}` : grouped(value, locale);
}

/** `22 Nov 2026, 05:21`, by the reader's clock; a dash where nothing is known. */
export function moment(atMs: number | null, locale?: string): string {
  return atMs === null || atMs <= 0 ? "–" : new Date(atMs).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
}

/** A calendar day `2026-11-22` as `22 Nov`, or with its weekday and year. It is of no time zone, and stays the day it is. */
export function dayText(day: string, locale?: string, long = false): string {
  const at = new Date(`${day}T00:00:00Z`);
  const options: Intl.DateTimeFormatOptions = long ? { weekday: "short", day: "numeric", month: "short", year: "numeric" } : { day: "numeric", month: "short" };
  return Number.isNaN(at.getTime()) ? day : at.toLocaleDateString(locale, { ...options, timeZone: "UTC" });
}

/** What is drawn of an item where there is no picture. */
export function emojiOf(item: Item | undefined): string {
  return item?.attrs.get("emoji") ?? "🎁";
}

/** Somebody's name in a sentence: with a direction of its own, whatever is in it. */
export function named(name: string): string {
  return `\u2068${name.replace(/[\u202a-\u202e\u2066-\u2069]/g, "")}\u2069`;
}

/** Whose account it is, in words: `room demo`, `where coins come from`. */
export function accountText(id: string): string {
  const [, owner = id] = /^(?:coin|diamond)s?:(.*)$/.exec(id) ?? [];
  const [kind = "", name = "", rest = ""] = owner.split(":");
  if (kind === "room") {
    return `room ${name}`;
  }
  if (kind === "filter") {
    return rest === "issue" ? `issue of filter ${name}` : `filter ${name}`;
  }
  return kind === "topup" ? "top-ups" : shortId(owner);
}

/** Ids of users are long, and their beginnings differ. */
export function shortId(id: string): string {
  return /^u-[0-9a-f]{32}$/.test(id) ? `${id.slice(0, 10)}…` : id;
}

/** What a transfer is for. */
export function kindText(kind: string): string {
  return kind === "" ? "transfer" : kind === "topup" ? "top-up" : kind.replaceAll("_", " ");
}

/** What went to or from `account` in a transfer: below zero when it paid. */
export function effectOn(account: string, transfer: { readonly debit: string; readonly credit: string; readonly amount: number }): number {
  const into = transfer.credit === account ? transfer.amount : 0;
  return into - (transfer.debit === account ? transfer.amount : 0);
}

export function availableOf({ balance, held }: LedgerAccount): number {
  return balance - held;
}

/** What does not add up, as the audit itself would say it. A kind that this page does not know is shown as it came. */
export function differenceText({ kind, fields }: Difference, locale?: string): string {
  const of = (name: string): string => {
    const told = fields.get(name) ?? "?";
    return /^-?\d+$/.test(told) ? BigInt(told).toLocaleString(locale).replace("-", "\u2212") : told;
  };
  switch (kind) {
    case "sum":
      return `All ${of("currency")} sum to ${of("sum")}, not to 0.`;
    case "balance":
      return `${of("account")} has a balance of ${of("stored")}, and its transfers sum to ${of("computed")}.`;
    case "held":
      return `${of("account")} has ${of("stored")} held, and its open holds sum to ${of("computed")}.`;
    case "below_zero":
      return `${of("account")} has ${of("balance")}, of which ${of("held")} is held.`;
    case "batch":
      return `Batch ${of("batch")} is not complete.`;
    case "currency":
      return `Transfer ${of("transfer")} is not of its accounts' currency.`;
    case "reversal":
      return `Transfer ${of("transfer")} does not reverse what it says.`;
    case "partial_reversal":
      return `Batch ${of("batch")} reverses a part of another.`;
    case "hold":
      return `Hold ${of("id")} and what was paid from it differ.`;
    case "gap":
      return `In ${of("sequence")}, ${of("found")} comes after ${of("last")}.`;
    case "end":
      return `The ${of("sequence")} end with ${of("found")}, not ${of("expected")} (${of("announced")} by the batches).`;
    default:
      return `${kind.replaceAll("_", " ")}: ${[...fields].map(([name, value]) => `${name} ${value}`).join(", ")}`;
  }
}
