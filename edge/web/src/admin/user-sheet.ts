/** One user as staff sees them: state, roles, money, and what can be done. A function from what is known to elements. */

import type { Paged } from "../lib/money/loaded";
import type { Account, AccountSheet, Transfer } from "../lib/money/types";
import { sum } from "../lib/money/words";
import { h } from "../ui/patch";
import { hash } from "./app";
import { badge, button, facts, labelled, listOf, name, section, time, transferRow } from "./parts";

/** What the roles of the contract are called; others can be typed. */
const ROLES = ["staff", "broadcaster", "moderator", "vip", "subscriber", "verified", "bot"] as const;

/** `me` is who looks at it. */
export function userSheet({ account, wallet }: AccountSheet, history: Paged<Transfer>, me: string): readonly (Node | null)[] {
  const coins = (value: number | undefined): string => (value === undefined ? "–" : sum(value, "coin"));
  return [
    h(
      "header",
      { class: "sheet-head" },
      h("h2", {}, name(account.name)),
      h("p", { class: "badges" }, badge(account.blocked ? "blocked" : "active", account.blocked ? "bad" : "good"), account.id === me ? badge("you", "accent") : null),
      facts([
        ["Login", h("span", { dir: "ltr" }, account.login)],
        ["Since", time(account.createdMs)],
        ["Id", h("code", {}, account.id)],
      ]),
    ),
    section(
      "Wallet",
      h("p", { class: "big" }, coins(wallet?.balance), wallet !== null && wallet.held > 0 ? h("small", { class: "muted" }, ` ${coins(wallet.available)} available, ${coins(wallet.held)} held`) : null),
      h(
        "form",
        { class: "inline-form", "data-form": "credit", novalidate: true },
        labelled("Coins", h("input", { name: "amount", type: "text", inputmode: "text", autocomplete: "off", maxlength: 20, placeholder: "1,000", size: 10 }), "Below zero takes back."),
        labelled("Note, for the audit log", h("input", { name: "note", type: "text", autocomplete: "off", maxlength: 400, dir: "auto" })),
        h("button", { type: "submit", class: "button" }, "Credit…"),
        h("p", { class: "problem", role: "alert", "data-key": "problem" }),
      ),
    ),
    section(
      "Roles",
      roles(account),
      h(
        "form",
        { class: "inline-form", "data-form": "role", novalidate: true },
        labelled("Role", h("input", { name: "role", type: "text", list: "role-names", autocomplete: "off", autocapitalize: "none", maxlength: 16, size: 12 })),
        labelled("Room", h("input", { name: "room", type: "text", autocomplete: "off", autocapitalize: "none", maxlength: 64, size: 12, placeholder: "all rooms" }), "Empty: everywhere."),
        h("button", { type: "submit", class: "button quiet" }, "Give the role…"),
        h("p", { class: "problem", role: "alert", "data-key": "problem" }),
        h("datalist", { id: "role-names" }, ...ROLES.map((role) => h("option", { value: role }))),
      ),
    ),
    section(
      "History",
      h("p", { class: "muted small-text" }, "Of their coins, the newest first. ", h("a", { href: hash("ledger", `coin:${account.id}`) }, "Open in the ledger")),
      listOf(history, { class: "transfers", label: "History", none: "Nothing came or went yet.", more: "more-history" }, (transfer) => transferRow(transfer, `coin:${account.id}`)),
    ),
    section(
      "Account",
      h(
        "p",
        { class: "actions" },
        account.blocked ? button("Unblock", "unblock") : button("Block…", "block"),
        button("Sign out everywhere…", "sign-out-user"),
        button("Set a password…", "password"),
        button("Export", "export-user"),
        button("Erase…", "erase", { class: "danger" }),
      ),
    ),
  ];
}

function roles(account: Account): HTMLElement {
  const chip = (role: string, room: string | null): HTMLElement =>
    h(
      "span",
      { class: "chip" },
      role,
      h("button", { type: "button", "data-do": "remove-role", "data-role": role, ...(room === null ? {} : { "data-room": room }), "aria-label": room === null ? `Take away ${role}` : `Take away ${role} of ${room}` }, "×"),
    );
  const line = (where: string, chips: readonly HTMLElement[]): HTMLElement =>
    h("div", { "data-key": where }, h("dt", {}, where), h("dd", {}, ...(chips.length === 0 ? [h("span", { class: "muted" }, "none")] : chips)));
  return h(
    "dl",
    { class: "roles" },
    line("Everywhere", account.roles.map((role) => chip(role, null))),
    ...[...account.rooms].map(([room, own]) => line(`In ${room}`, own.map((role) => chip(role, room)))),
  );
}
