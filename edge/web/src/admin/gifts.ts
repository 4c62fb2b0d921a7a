/** The tab of gifts: what waits for staff first, then all that was given; and one gift's sheet. */

import { Loaded, Paged } from "../lib/money/loaded";
import { parseGifts, parseGiftSheet } from "../lib/money/parse";
import type { GiftRecord, GiftSheet } from "../lib/money/types";
import { grouped, named, sum } from "../lib/money/words";
import { h } from "../ui/patch";
import { type App, carryOut, field, hash, type Tab } from "./app";
import { badge, button, facts, labelled, listOf, name, section, time, transferLine, waitingFor } from "./parts";

const PAGE = 50;
/** Held gifts that are shown with their signals; each is asked for. */
const HELD = 20;
const REASON_CHARACTERS_MAX = 200;
const STATES = ["held", "given", "rejected", "refunded"] as const;
const TONES: Readonly<Record<string, string>> = { held: "warn", given: "good", rejected: "bad", refunded: "plain" };

export class Gifts implements Tab {
  readonly name = "gifts";
  readonly title = "Gifts";
  readonly #app: App;
  readonly #held = new Loaded<readonly GiftSheet[]>();
  readonly #list = new Paged<GiftRecord>();
  readonly #sheet = new Loaded<GiftSheet>();
  #room = "";
  #state = "";
  #id: string | null = null;

  constructor(app: App) {
    this.#app = app;
  }

  get waiting(): number {
    return this.#held.value?.length ?? 0;
  }

  open([id]: readonly string[]): void {
    if (this.#list.items === null) {
      this.#load();
    }
    if (id !== undefined && id !== this.#id) {
      this.#sheet.forget();
    }
    this.#id = id ?? null;
    this.refresh();
  }

  /** What waits, and the sheet. The list stays as long as somebody reads in it. */
  refresh(): void {
    this.#loadHeld();
    this.#loadSheet();
    if (this.#list.problem !== null) {
      this.#load();
    }
  }

  view(): readonly (Node | null)[] {
    const id = this.#id;
    return [
      h(
        "div",
        { class: id === null ? "split" : "split has-sheet" },
        h("div", { class: "split-list" }, h("h1", {}, "Gifts"), this.#heldView(), this.#listView()),
        id === null
          ? null
          : h(
              "article",
              { class: "split-sheet", tabindex: -1, "data-key": id, "aria-label": "Gift" },
              h("p", { class: "back" }, h("a", { href: hash("gifts") }, "← All gifts"), button("Refresh", "refresh")),
              waitingFor(this.#sheet, this.#sheet.value !== null),
              ...(this.#sheet.value === null ? [] : giftSheet(this.#sheet.value)),
            ),
      ),
    ];
  }

  press(what: string, { id }: DOMStringMap): void {
    if (what === "more-gifts") {
      void this.#list.more(() => this.#app.redraw());
    } else if (what === "reload-gifts") {
      this.#load();
    }
    const gift = [...(this.#held.value ?? []), ...(this.#sheet.value === null ? [] : [this.#sheet.value])].find((sheet) => sheet.gift.id === id)?.gift;
    if (gift === undefined) {
      return;
    }
    const path = `/api/admin/gifts/${encodeURIComponent(gift.id)}`;
    if (what === "approve-gift") {
      void carryOut(this.#app, "Approving…", () => this.#change(`${path}/approve`, {}, `Approved: ${words(gift)} is given.`));
    } else if (what === "reject-gift") {
      this.#app.ask({
        title: "Reject this gift?",
        text: `${words(gift)} of ${named(gift.sender.name)} is not given, and the ${sum(gift.total, "coin")} stay with them. Nobody in the room hears of it.`,
        confirm: "Reject",
        danger: true,
        run: () => this.#change(`${path}/reject`, {}, `Rejected: ${named(gift.sender.name)} has the ${sum(gift.total, "coin")} back.`),
      });
    } else if (what === "refund-gift") {
      this.#app.ask({
        title: `Refund ${sum(gift.total, "coin")} to ${named(gift.sender.name)}?`,
        text: `${words(gift)} is taken back: the coins return to ${named(gift.sender.name)}, and ${gift.room} loses what it earned from it.`,
        confirm: `Refund ${sum(gift.total, "coin")}`,
        danger: true,
        fields: [labelled("Reason, for the audit log", h("input", { type: "text", name: "reason", autocomplete: "off", maxlength: REASON_CHARACTERS_MAX, dir: "auto" }))],
        check: (data) => (field(data, "reason") === "" ? "Say why: it cannot be seen from the ledger later." : null),
        run: (data) => this.#change(`${path}/refund`, { body: { reason: field(data, "reason") } }, `${sum(gift.total, "coin")} refunded to ${named(gift.sender.name)}.`),
      });
    }
  }

  submit(what: string, _form: HTMLFormElement, data: FormData): void {
    if (what === "filter-gifts") {
      this.#room = field(data, "room");
      this.#state = field(data, "state");
      this.#load();
    }
  }

  async #change(path: string, more: { readonly body?: object }, done: string): Promise<string> {
    try {
      await this.#app.call.do({ method: "POST", path, ...more });
    } finally {
      // Also where somebody else was faster.
      this.refresh();
      this.#load();
    }
    return done;
  }

  #load(): void {
    const [room, state] = [this.#room, this.#state];
    const ask = (next: string | null) => {
      const query = new URLSearchParams({ limit: String(PAGE), ...(room === "" ? {} : { room }), ...(state === "" ? {} : { state }), ...(next === null ? {} : { before: next }) });
      return this.#app.call.get(`/api/admin/gifts?${query.toString()}`, parseGifts);
    };
    void this.#list.load(ask, () => this.#app.redraw());
  }

  #loadHeld(): void {
    const { call } = this.#app;
    const ask = async (): Promise<readonly GiftSheet[]> => {
      const { items } = await call.get(`/api/admin/gifts?state=held&limit=${HELD}`, parseGifts);
      // The signals are on the sheets. One that is gone meanwhile is missed by nobody.
      return Promise.all(items.map((gift) => call.get(`/api/admin/gifts/${encodeURIComponent(gift.id)}`, parseGiftSheet).catch(() => ({ gift, transfers: [], signals: [] }))));
    };
    void this.#held.load(ask, () => this.#app.redraw());
  }

  #loadSheet(): void {
    const id = this.#id;
    if (id !== null) {
      void this.#sheet.load(() => this.#app.call.get(`/api/admin/gifts/${encodeURIComponent(id)}`, parseGiftSheet), () => this.#app.redraw());
    }
  }

  #heldView(): HTMLElement {
    const held = this.#held.value ?? [];
    return h(
      "section",
      { class: "held panel", "data-key": "held", "aria-label": "Held gifts" },
      h("h2", {}, "Waiting for you ", held.length === 0 ? null : h("span", { class: "count" }, held.length >= HELD ? `${HELD}+` : String(held.length))),
      waitingFor(this.#held, this.#held.value !== null),
      this.#held.value !== null && held.length === 0 ? h("p", { class: "empty muted" }, "No gift is held.") : null,
      h("ul", { class: "rows" }, ...held.map(({ gift, signals }) => heldRow(gift, signals))),
    );
  }

  #listView(): HTMLElement {
    const option = (value: string, text: string): HTMLElement => h("option", { value, selected: value === this.#state }, text);
    const none = this.#room === "" && this.#state === "" ? "Nobody has given anything yet." : "No gift is like that.";
    return h(
      "section",
      { "data-key": "list", "aria-label": "All gifts" },
      h(
        "form",
        { class: "filter", "data-form": "filter-gifts", role: "search" },
        h("input", { type: "search", name: "room", placeholder: "All rooms", "aria-label": "Room", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 64, dir: "ltr" }),
        h("select", { name: "state", "aria-label": "State" }, option("", "All states"), ...STATES.map((state) => option(state, state))),
        h("button", { type: "submit", class: "button" }, "Show"),
      ),
      listOf(this.#list, { class: "gifts", label: "Gifts", none, more: "more-gifts" }, (gift) => this.#row(gift)),
    );
  }

  #row(gift: GiftRecord): HTMLElement {
    return h(
      "li",
      { "data-key": gift.id },
      h(
        "a",
        { class: "row", href: hash("gifts", gift.id), "aria-current": gift.id === this.#id ? "true" : null },
        h("span", { class: "row-main" }, h("b", {}, words(gift)), h("small", { class: "muted" }, name(gift.sender.name), ` in ${gift.room}`)),
        h("span", { class: "row-side" }, h("span", { class: "badges" }, h("b", { class: "sum" }, sum(gift.total, "coin")), badge(gift.state, TONES[gift.state])), h("small", { class: "muted" }, time(gift.atMs))),
      ),
    );
  }
}

function heldRow(gift: GiftRecord, signals: readonly string[]): HTMLElement {
  return h(
    "li",
    { class: "row held-row", "data-key": gift.id },
    h(
      "span",
      { class: "row-main" },
      h("a", { href: hash("gifts", gift.id) }, h("b", {}, words(gift))),
      h("small", {}, h("a", { href: hash("users", gift.sender.id) }, name(gift.sender.name)), h("span", { class: "muted" }, ` in ${gift.room}, `, time(gift.atMs))),
      gift.note === "" ? null : h("small", { class: "note" }, name(gift.note)),
      h("span", { class: "badges" }, ...signals.map((signal) => badge(signal.replaceAll("_", " "), "warn"))),
    ),
    h("span", { class: "row-side" }, h("b", { class: "sum" }, sum(gift.total, "coin")), h("span", { class: "actions" }, button("Approve", "approve-gift", { "data-id": gift.id, class: "good" }), button("Reject…", "reject-gift", { "data-id": gift.id, class: "danger" }))),
  );
}

function giftSheet({ gift, transfers, signals }: GiftSheet): readonly (Node | null)[] {
  return [
    h(
      "header",
      { class: "sheet-head" },
      h("h2", {}, words(gift)),
      h("p", { class: "badges" }, badge(gift.state, TONES[gift.state]), ...signals.map((signal) => badge(signal.replaceAll("_", " "), "warn"))),
      facts([
        ["From", h("a", { href: hash("users", gift.sender.id) }, name(gift.sender.name))],
        ["Room", h("a", { href: `/watch/${encodeURIComponent(gift.room)}` }, gift.room)],
        ["Paid", sum(gift.total, "coin")],
        ["Points", grouped(gift.points)],
        ["When", time(gift.atMs)],
        ["Id", h("code", {}, gift.id)],
      ]),
      gift.note === "" ? null : h("p", { class: "note" }, name(gift.note)),
      h(
        "p",
        { class: "actions" },
        gift.state === "held" ? button("Approve", "approve-gift", { "data-id": gift.id, class: "good" }) : null,
        gift.state === "held" ? button("Reject…", "reject-gift", { "data-id": gift.id, class: "danger" }) : null,
        gift.state === "given" ? button("Refund…", "refund-gift", { "data-id": gift.id, class: "danger" }) : null,
      ),
    ),
    section(
      "In the ledger",
      transfers.length === 0 ? h("p", { class: "empty muted" }, gift.state === "held" ? "Nothing has moved yet: the coins are reserved." : "Nothing was moved for it.") : null,
      h("ul", { class: "rows transfers" }, ...transfers.map(transferLine)),
    ),
  ];
}

/** `2 × rose`. */
function words({ count, item }: GiftRecord): string {
  return count === 1 ? item : `${grouped(count)} × ${item}`;
}
