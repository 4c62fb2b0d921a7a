/** One item that can be given: a button with its picture, its price, and a ring that runs while a series can go on. */

import { coinIcon } from "../account/menu";
import { formatNumber, t } from "../i18n";
import { make, makeSvg, setAttribute, setText } from "../ui/dom";
import type { Item } from "./catalogue";
import type { OwnCombo } from "./combo";

const BUMP_MS = 220;

export class ItemButton {
  readonly item: Item;
  readonly element: HTMLButtonElement;
  readonly #name = make("bdi", "gift-name");
  readonly #price = make("span", "");
  readonly #times = make("span", "gift-own");
  readonly #ring = makeSvg("circle", { cx: "24", cy: "24", r: "22", pathLength: "100" });
  readonly #emoji: HTMLElement;
  #running: Animation | null = null;
  #untilMs = 0;

  constructor(item: Item) {
    this.item = item;
    this.#emoji = make("span", "gift-emoji", item.emoji);
    this.#emoji.setAttribute("aria-hidden", "true");
    this.#name.dir = "auto";
    const picture = make("span", "gift-picture", this.#emoji);
    picture.append(makeSvg("svg", { class: "gift-ring", viewBox: "0 0 48 48", "aria-hidden": "true" }, this.#ring), this.#times);
    this.#times.setAttribute("aria-hidden", "true");
    this.element = make("button", `gift-item tier-${item.tier}`, picture, this.#name, make("span", "gift-price", coinIcon(), this.#price));
    this.element.type = "button";
    this.element.tabIndex = -1;
    this.element.dataset["item"] = item.id;
  }

  /** `count`: how many a press gives. */
  draw(count: number, isShort: boolean): void {
    const { name, price } = this.item;
    setText(this.#name, name);
    setText(this.#price, formatNumber(price * count));
    setAttribute(this.element, "aria-label", t("gift.button", { name, price: t("wallet.coins", { n: price * count }), n: count }));
    setAttribute(this.element, "aria-disabled", String(isShort));
    this.element.title = name;
  }

  /** The series of one's own; null when it is over. */
  drawCombo(combo: OwnCombo | null, still: boolean): void {
    const untilMs = combo?.untilMs ?? 0;
    setText(this.#times, combo === null ? "" : `×${formatNumber(combo.total)}`);
    this.element.classList.toggle("running", combo !== null);
    if (untilMs === this.#untilMs) {
      return;
    }
    this.#untilMs = untilMs;
    this.#running?.cancel();
    this.#running = null;
    if (combo !== null && !still) {
      this.#running = this.#ring.animate([{ strokeDashoffset: "0" }, { strokeDashoffset: "100" }], { duration: combo.windowMs, fill: "forwards" });
      this.#emoji.animate([{ transform: "scale(1.3)" }, { transform: "none" }], { duration: BUMP_MS, easing: "ease-out" });
    }
  }
}
