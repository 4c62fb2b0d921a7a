/** Pieces that the tabs' views are made of. */

import { said } from "../lib/money/call";
import type { Loaded, Paged } from "../lib/money/loaded";
import { accountText, effectOn, kindText, moment, signed, sum } from "../lib/money/words";
import type { Transfer } from "../lib/money/types";
import { h } from "../ui/patch";
import { hash } from "./app";

type Child = Node | string | null | false;

/** What stands in place of something that is loaded, or could not be; null when it is there. */
export function waitingFor(state: Pick<Loaded<unknown>, "problem" | "loading">, isThere: boolean): HTMLElement | null {
  if (state.problem !== null) {
    const words = isThere ? "This is not up to date. " : "This could not be loaded. ";
    return h("p", { class: "notice", role: "alert" }, words + said(state.problem), " ", h("button", { type: "button", class: "text-button", "data-do": "refresh" }, "Try again"));
  }
  return isThere ? null : h("p", { class: "muted loading", role: "status" }, state.loading ? "Loading…" : "");
}

/** A list with what is said when there is nothing in it, and the button for more. */
export function listOf<T>(pages: Paged<T>, attributes: { readonly class: string; readonly label: string; readonly none: string; readonly more: string }, row: (item: T) => Node): HTMLElement {
  const items = pages.items ?? [];
  const isEmpty = pages.items !== null && items.length === 0 && pages.problem === null;
  return h(
    "div",
    { class: "list" },
    waitingFor(pages, pages.items !== null),
    isEmpty ? h("p", { class: "empty muted" }, attributes.none) : null,
    h("ul", { class: `rows ${attributes.class}`, "aria-label": attributes.label }, ...items.map(row)),
    pages.hasMore ? h("p", { class: "more" }, button(pages.loading ? "Loading…" : "Show more", attributes.more, { disabled: pages.loading })) : null,
  );
}

/** `does` is its `data-do`. */
export function button(text: string, does: string, more: Readonly<Record<string, string | boolean>> = {}): HTMLElement {
  const { class: classes = "", ...rest } = more;
  return h("button", { type: "button", class: `button quiet small ${classes === true ? "" : classes}`.trim(), "data-do": does, ...rest }, text);
}

export function badge(text: string, tone = "plain"): HTMLElement {
  return h("span", { class: `badge tone-${tone}` }, text);
}

/** A local time with its date; the exact one for those who point at it. */
export function time(atMs: number | null): HTMLElement {
  const isKnown = atMs !== null && atMs > 0;
  const exact = isKnown ? new Date(atMs).toISOString() : "";
  return h("time", { datetime: exact, title: exact }, moment(atMs));
}

/** A name of somebody, which may be written in any direction. */
export function name(text: string): HTMLElement {
  return h("bdi", {}, text);
}

export function labelled(label: string, input: Child, note = ""): HTMLElement {
  return h("label", { class: "field" }, h("span", {}, label), input, note === "" ? null : h("small", { class: "muted" }, note));
}

export function facts(entries: readonly (readonly [string, Child])[]): HTMLElement {
  return h("dl", { class: "facts" }, ...entries.map(([term, value]) => h("div", { "data-key": term }, h("dt", {}, term), h("dd", {}, value))));
}

export function section(title: string, ...children: readonly Child[]): HTMLElement {
  return h("section", { class: "panel", "data-key": title }, h("h3", {}, title), ...children);
}

/** As `section`, where there is no sheet around it. */
export function area(title: string, ...children: readonly Child[]): HTMLElement {
  return h("section", { class: "panel", "data-key": title }, h("h2", {}, title), ...children);
}

/** An account of the ledger, which leads to its history. */
export function accountLink(id: string): HTMLElement {
  return h("a", { class: "account", href: hash("ledger", id), title: id }, accountText(id));
}

/** A transfer as `account` sees it: what came or went, and from or to whom. */
export function transferRow(transfer: Transfer, account: string): HTMLElement {
  const effect = effectOn(account, transfer);
  const other = effect < 0 ? transfer.credit : transfer.debit;
  return h(
    "li",
    { class: "row transfer", "data-key": `${transfer.seq ?? ""}${transfer.id}` },
    h("b", { class: effect < 0 ? "effect" : "effect good" }, signed(effect)),
    h("span", { class: "row-main" }, h("span", {}, kindText(transfer.kind), effect < 0 ? " to " : " from ", accountLink(other)), h("small", { class: "muted" }, transfer.reference || transfer.id)),
    h("span", { class: "row-side muted" }, time(transfer.atMs)),
  );
}

/** A transfer as nobody's: from whom to whom. */
export function transferLine(transfer: Transfer): HTMLElement {
  return h(
    "li",
    { class: "row transfer", "data-key": `${transfer.seq ?? ""}${transfer.id}` },
    h("b", { class: "effect" }, sum(transfer.amount, transfer.currency)),
    h("span", { class: "row-main" }, h("span", {}, accountLink(transfer.debit), " → ", accountLink(transfer.credit)), h("small", { class: "muted" }, transfer.reverses === null ? transfer.id : `${transfer.id}, takes back ${transfer.reverses}`)),
    h("span", { class: "row-side muted" }, time(transfer.atMs)),
  );
}
