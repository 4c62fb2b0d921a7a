/** The tab of the catalogue: what a room offers, as the gifts filter says. Nothing is changed here. */

import { Loaded } from "../lib/money/loaded";
import { isRoom } from "../lib/money/check";
import { parseItems } from "../lib/money/parse";
import { emojiOf, sum } from "../lib/money/words";
import type { Item } from "../lib/money/types";
import { type LiveStream, parseStreams } from "../lib/streams";
import { h } from "../ui/patch";
import { type App, field, hash, type Tab } from "./app";
import { badge, button, waitingFor } from "./parts";

const TIERS: Readonly<Record<string, string>> = { small: "plain", big: "accent", huge: "warn" };

export class Catalogue implements Tab {
  readonly name = "catalogue";
  readonly title = "Catalogue";
  readonly waiting = 0;
  readonly #app: App;
  readonly #streams = new Loaded<readonly LiveStream[]>();
  readonly #items = new Loaded<readonly Item[]>();
  /** Chosen in the address; else the first that is live. */
  #named: string | null = null;
  #shown: string | null = null;

  constructor(app: App) {
    this.#app = app;
  }

  open([room]: readonly string[]): void {
    this.#named = room ?? null;
    this.refresh();
  }

  refresh(): void {
    const { call } = this.#app;
    const redraw = (): void => this.#app.redraw();
    if (this.#named !== null) {
      this.#load(this.#named);
    }
    void this.#streams
      .load(() => call.get("/api/streams", parseStreams), redraw)
      .then(() => {
        const [first] = this.#streams.value ?? [];
        if (this.#named === null && first !== undefined) {
          this.#load(first.name);
        }
      });
  }

  view(): readonly (Node | null)[] {
    const room = this.#shown;
    const live = this.#streams.value ?? [];
    const rooms = room === null || live.some(({ name }) => name === room) ? live.map(({ name, title }) => [name, title] as const) : [[room, room] as const, ...live.map(({ name, title }) => [name, title] as const)];
    const items = this.#items.value;
    return [
      h("h1", {}, "Catalogue"),
      h(
        "p",
        { class: "muted lead" },
        "What a room offers is the configuration of its gifts filter: to change it, push the filter with another one (",
        h("code", {}, "weirctl filter push"),
        "), and see on the filters page of an edge's admin listener (",
        h("code", {}, "/filters"),
        ") what runs.",
      ),
      h(
        "div",
        { class: "filters" },
        rooms.length === 0
          ? null
          : h(
              "form",
              { class: "filter", "data-form": "room" },
              // Made anew for another room: what is chosen in it is not an attribute.
              h("select", { name: "room", "aria-label": "Room", "data-key": `rooms-${room ?? ""}` }, ...rooms.map(([name, title]) => h("option", { value: name, selected: name === room }, title === name ? name : `${title} (${name})`))),
            ),
        h(
          "form",
          { class: "filter", "data-form": "room" },
          h("input", { type: "text", name: "room", placeholder: "Another room", "aria-label": "Another room", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 64, dir: "ltr" }),
          h("button", { type: "submit", class: "button" }, "Show"),
        ),
      ),
      this.#streams.problem === null ? null : waitingFor(this.#streams, this.#streams.value !== null),
      room === null && this.#streams.value !== null ? h("p", { class: "empty muted" }, "Nothing is live right now. Name a room to see what it offers.") : null,
      room === null ? null : waitingFor(this.#items, items !== null),
      items !== null && items.length === 0 ? h("p", { class: "empty muted" }, `${room ?? ""} offers no gifts: its gifts filter has none, or there is no such filter.`) : null,
      h("ul", { class: "items", "aria-label": "Gifts offered" }, ...(items ?? []).map(itemCard)),
    ];
  }

  press(what: string, _data: DOMStringMap, pressed: HTMLElement): void {
    const stage = what === "preview" ? pressed.closest("li")?.querySelector<HTMLElement>(".item-emoji") : null;
    if (stage != null) {
      stage.classList.remove("plays");
      // So that it begins anew.
      void stage.offsetWidth;
      stage.classList.add("plays");
      stage.addEventListener("animationend", () => stage.classList.remove("plays"), { once: true });
    }
  }

  submit(what: string, form: HTMLFormElement, data: FormData): void {
    const room = field(data, "room");
    if (what === "room" && isRoom(room)) {
      form.reset();
      location.hash = hash("catalogue", room);
    } else if (what === "room" && room !== "") {
      this.#app.say("bad", "This cannot be the name of a room.");
    }
  }

  #load(room: string): void {
    if (room !== this.#shown) {
      this.#items.forget();
    }
    this.#shown = room;
    void this.#items.load(() => this.#app.call.get(`/api/rooms/${encodeURIComponent(room)}/gifts`, parseItems), () => this.#app.redraw());
  }
}

function itemCard(item: Item): HTMLElement {
  const tier = item.attrs.get("tier") ?? "";
  const duration = Number(item.attrs.get("duration_ms") ?? Number.NaN);
  const told = [
    item.animation === "" ? "drawn by the page" : item.animation,
    Number.isFinite(duration) && duration > 0 ? `${(duration / 1000).toLocaleString()} s` : "",
    item.attrs.get("combo") === "yes" ? "in series" : "",
  ];
  return h(
    "li",
    { class: "item panel", "data-key": item.id },
    h("span", { class: `item-emoji tier-${tier === "" ? "small" : tier}`, "aria-hidden": "true" }, emojiOf(item)),
    h("h2", {}, item.name),
    h("p", { class: "item-price" }, sum(item.price, item.currency)),
    h("p", { class: "badges" }, tier === "" ? null : badge(tier, TIERS[tier]), h("code", {}, item.id)),
    h("p", { class: "muted small-text" }, told.filter((part) => part !== "").join(" · ")),
    button("Preview", "preview", { "aria-label": `Preview ${item.name}` }),
  );
}
