/** The tab of users: a list to search in, and one user's sheet. */

import { Loaded, Paged } from "../lib/money/loaded";
import { parseAccounts, parseAccountSheet, parseHistory } from "../lib/money/parse";
import type { Account, AccountSheet, Transfer } from "../lib/money/types";
import { h } from "../ui/patch";
import { type App, field, hash, type Tab } from "./app";
import { download } from "./download";
import { badge, button, listOf, name, time, waitingFor } from "./parts";
import { UserActions } from "./user-actions";
import { userSheet } from "./user-sheet";

const PAGE = 50;
const HISTORY = 25;

export class Users implements Tab {
  readonly name = "users";
  readonly title = "Users";
  readonly waiting = 0;
  readonly #app: App;
  readonly #actions: UserActions;
  readonly #list = new Paged<Account>();
  readonly #sheet = new Loaded<AccountSheet>();
  readonly #history = new Paged<Transfer>();
  #login = "";
  #id: string | null = null;

  constructor(app: App) {
    this.#app = app;
    this.#actions = new UserActions(app, {
      changed: () => this.#loadSheet(),
      gone: () => {
        this.#load();
        location.hash = hash("users");
      },
    });
  }

  open([id]: readonly string[]): void {
    if (this.#list.items === null) {
      this.#load();
    }
    if (id !== undefined && id !== this.#id) {
      this.#sheet.forget();
      this.#history.forget();
    }
    this.#id = id ?? null;
    if (id !== undefined) {
      this.#loadSheet();
    }
  }

  refresh(): void {
    this.#load();
    this.#loadSheet();
  }

  view(): readonly (Node | null)[] {
    const sheet = this.#id === null ? null : this.#sheetView(this.#id);
    return [
      h(
        "div",
        { class: sheet === null ? "split" : "split has-sheet" },
        h(
          "div",
          { class: "split-list" },
          h("h1", {}, "Users"),
          h(
            "form",
            { class: "filter", role: "search", "data-form": "search" },
            h("input", { type: "search", name: "login", placeholder: "Login", "aria-label": "Login", autocomplete: "off", autocapitalize: "none", spellcheck: "false", dir: "ltr", maxlength: 64 }),
            h("button", { type: "submit", class: "button" }, "Search"),
          ),
          listOf(this.#list, { class: "users", label: "Users", more: "more-users", none: this.#login === "" ? "There are no users yet." : `Nobody is found by “${this.#login}”.` }, (user) => this.#row(user)),
        ),
        sheet,
      ),
    ];
  }

  press(what: string, data: DOMStringMap): void {
    const redraw = (): void => this.#app.redraw();
    const sheet = this.#sheet.value;
    if (what === "more-users") {
      void this.#list.more(redraw);
    } else if (what === "more-history") {
      void this.#history.more(redraw);
    } else if (what === "export-user" && sheet !== null) {
      void download(this.#app, `/api/admin/users/${encodeURIComponent(sheet.account.id)}/export`, `weir-${sheet.account.login}.json`);
    } else if (sheet !== null) {
      this.#actions.press(what, data, sheet);
    }
  }

  submit(what: string, form: HTMLFormElement, data: FormData): void {
    const sheet = this.#sheet.value;
    if (what === "search") {
      this.#login = field(data, "login").toLowerCase();
      this.#load();
    } else if (sheet !== null) {
      this.#actions.submit(what, form, data, sheet);
    }
  }

  #load(): void {
    const login = this.#login;
    const ask = (next: string | null) => {
      const query = new URLSearchParams({ limit: String(PAGE), ...(login === "" ? {} : { login }), ...(next === null ? {} : { after: next }) });
      return this.#app.call.get(`/api/admin/users?${query.toString()}`, parseAccounts);
    };
    void this.#list.load(ask, () => this.#app.redraw());
  }

  #loadSheet(): void {
    const id = this.#id;
    if (id === null) {
      return;
    }
    const { call } = this.#app;
    const redraw = (): void => this.#app.redraw();
    void this.#sheet.load(() => call.get(`/api/admin/users/${encodeURIComponent(id)}`, parseAccountSheet), redraw);
    void this.#history.load((next) => call.get(historyPath(`coin:${id}`, next, HISTORY), parseHistory), redraw);
  }

  #row(user: Account): HTMLElement {
    const rooms = [...user.rooms].map(([room, roles]) => `${roles.join(", ")} of ${room}`).join("; ");
    return h(
      "li",
      { "data-key": user.id },
      h(
        "a",
        { class: "row", href: hash("users", user.id), "aria-current": user.id === this.#id ? "true" : null },
        h("span", { class: "row-main" }, h("b", {}, name(user.name)), h("small", { class: "muted", dir: "ltr" }, user.login), rooms === "" ? null : h("small", { class: "muted" }, rooms)),
        h("span", { class: "row-side" }, h("span", { class: "badges" }, ...user.roles.map((role) => badge(role, role === "staff" ? "accent" : "plain")), user.blocked ? badge("blocked", "bad") : null), h("small", { class: "muted" }, time(user.createdMs))),
      ),
    );
  }

  #sheetView(id: string): HTMLElement {
    const sheet = this.#sheet.value;
    return h(
      "article",
      { class: "split-sheet", tabindex: -1, "data-key": id, "aria-label": "User" },
      h("p", { class: "back" }, h("a", { href: hash("users") }, "← All users"), sheet === null ? null : button("Refresh", "refresh")),
      waitingFor(this.#sheet, sheet !== null),
      ...(sheet === null ? [] : userSheet(sheet, this.#history, this.#app.me.id)),
    );
  }
}

export function historyPath(account: string, next: string | null, limit: number): string {
  const query = new URLSearchParams({ limit: String(limit), ...(next === null ? {} : { before: next }) });
  return `/api/admin/ledger/accounts/${encodeURIComponent(account)}/history?${query.toString()}`;
}
