/** What one can give, above the composer: a press gives, further presses are a series. What went wrong is said in a line. */

import { coinIcon } from "../account/menu";
import type { Session } from "../account/session";
import type { Wallet } from "../account/wallet";
import { closePopup, openPopup } from "../chat/popup";
import { formatNumber, type Key, onLanguage, t } from "../i18n";
import type { Tier } from "../room/gift";
import { icon, make, setAttribute, setText } from "../ui/dom";
import { type Item, TIERS } from "./catalogue";
import type { OwnCombo } from "./combo";
import { ItemButton } from "./item-button";
import { LongPress } from "./long-press";

export const COUNTS = [1, 10, 99] as const;
const TIER_WORDS: Readonly<Record<Tier, Key>> = { small: "gift.tierSmall", big: "gift.tierBig", huge: "gift.tierHuge" };

export interface DrawerOptions {
  readonly session: Session;
  readonly wallet: Wallet;
  /** Positioned; menus open in it. */
  readonly frame: HTMLElement;
  give(item: Item, count: number): void;
  again(): void;
  signIn(): void;
  onOpen(): void;
}

export interface Status {
  readonly words: string;
  /** Something can be tried again. */
  readonly again: boolean;
  readonly bad: boolean;
}

export class GiftDrawer {
  readonly element = make("section", "gift-sheet");
  readonly button = make("button", "icon-button gift-button", icon("gift"));
  readonly #options: DrawerOptions;
  readonly #title = make("h3", "");
  readonly #coinsText = make("span", "");
  readonly #coins = make("span", "gift-coins", coinIcon(), this.#coinsText);
  readonly #close = make("button", "icon-button small", icon("close"));
  readonly #grid = make("div", "gift-grid");
  readonly #counts = make("div", "gift-counts");
  readonly #status = make("p", "gift-status");
  /** Seen only where it takes its time; not to be heard. */
  readonly #way = make("span", "gift-way");
  readonly #again = make("button", "text-button");
  readonly #signIn = make("button", "button compact");
  readonly #still = window.matchMedia("(prefers-reduced-motion: reduce)");
  #buttons: readonly ItemButton[] = [];
  #headings: (readonly [Tier, HTMLElement])[] = [];
  #count: number = COUNTS[0];
  #status_: Status = { words: "", again: false, bad: false };
  /** One long press asks how many. */
  readonly #press = new LongPress<HTMLElement>({
    long: (button) => this.#ask(button),
    shortAfterAll: (button) => {
      closePopup();
      this.#give(button);
    },
  });

  constructor(options: DrawerOptions) {
    this.#options = options;
    for (const button of [this.button, this.#close, this.#again, this.#signIn]) {
      button.type = "button";
    }
    this.element.id = "gift-sheet";
    this.element.hidden = true;
    this.button.setAttribute("aria-controls", this.element.id);
    this.#status.setAttribute("role", "status");
    this.#way.setAttribute("aria-hidden", "true");
    this.#counts.setAttribute("role", "radiogroup");
    this.#grid.setAttribute("role", "group");
    this.#counts.append(...COUNTS.map((count) => this.#countButton(count)));
    const foot = make("div", "gift-foot", this.#counts, make("div", "gift-say", this.#status, this.#way, this.#again, this.#signIn));
    this.element.append(make("header", "gift-head", this.#title, this.#coins, this.#close), this.#grid, foot);
    this.#listen();
    onLanguage(() => this.draw(null));
  }

  get isOpen(): boolean {
    return !this.element.hasAttribute("hidden");
  }

  get count(): number {
    return this.#count;
  }

  set(items: readonly Item[]): void {
    this.#buttons = items.map((item) => new ItemButton(item));
    this.#headings = [];
    const groups = TIERS.filter((tier) => items.some((item) => item.tier === tier)).map((tier) => {
      const heading = make("h4", "");
      this.#headings.push([tier, heading]);
      return make("div", `gift-group tier-${tier}`, heading, ...this.#buttons.filter(({ item }) => item.tier === tier).map(({ element }) => element));
    });
    this.#grid.replaceChildren(...groups);
    this.#rove(this.#buttons[0]?.element ?? null, false);
    this.draw(null);
  }

  toggle(open: boolean = !this.isOpen): void {
    if (open === this.isOpen) {
      return;
    }
    const had = this.element.contains(document.activeElement);
    this.element.hidden = !open;
    setAttribute(this.button, "aria-expanded", String(open));
    if (open) {
      this.#options.onOpen();
      this.draw(null);
      this.#grid.querySelector<HTMLElement>('[tabindex="0"]')?.focus({ preventScroll: true });
    } else if (had) {
      this.button.focus();
    }
  }

  say(status: Status): void {
    this.#status_ = status;
    this.draw(null);
  }

  /** `combo`: the series of one's own, if it has changed. */
  draw(combo: OwnCombo | null): void {
    setAttribute(this.button, "aria-label", t("gift.give"));
    setAttribute(this.button, "title", t("gift.give"));
    setAttribute(this.button, "aria-expanded", String(this.isOpen));
    if (!this.isOpen) {
      return;
    }
    const { session, wallet } = this.#options;
    const { left } = wallet;
    setAttribute(this.element, "aria-label", t("gift.title"));
    setAttribute(this.#grid, "aria-label", t("gift.title"));
    setText(this.#title, t("gift.title"));
    this.#coins.hidden = left === null;
    setText(this.#coinsText, formatNumber(left ?? 0));
    setAttribute(this.#coins, "title", t("gift.balance", { coins: t("wallet.coins", { n: left ?? 0 }) }));
    setAttribute(this.#close, "aria-label", t("page.close"));
    setAttribute(this.#counts, "aria-label", t("gift.count"));
    for (const [tier, heading] of this.#headings) {
      setText(heading, t(TIER_WORDS[tier]));
    }
    for (const button of this.#buttons) {
      button.draw(this.#count, left !== null && left < button.item.price * this.#count);
    }
    for (const button of this.#counts.children) {
      const chosen = (button as HTMLElement).dataset["count"] === String(this.#count);
      setAttribute(button, "aria-checked", String(chosen));
      (button as HTMLElement).tabIndex = chosen ? 0 : -1;
    }
    const signedOut = session.user === null;
    this.#signIn.hidden = !signedOut;
    this.#counts.hidden = signedOut;
    setText(this.#signIn, t("account.signIn"));
    const { words, again, bad } = this.#status_;
    setText(this.#status, signedOut ? t("gift.signInFor") : this.#buttons.length === 0 ? t("gift.empty") : words);
    this.#status.classList.toggle("bad", bad && !signedOut);
    this.#way.hidden = wallet.onWay === 0 || this.#status.textContent !== "";
    setText(this.#way, t("gift.waiting", { n: wallet.onWay }));
    this.#again.hidden = !again || signedOut;
    setText(this.#again, t("gift.again"));
    if (combo !== null) {
      this.drawCombo(combo);
    }
  }

  drawCombo(combo: OwnCombo | null): void {
    for (const button of this.#buttons) {
      button.drawCombo(combo !== null && combo.item === button.item.id ? combo : null, this.#still.matches);
    }
  }

  #countButton(count: number): HTMLElement {
    const button = make("button", "gift-count", `×${count}`);
    button.type = "button";
    button.dataset["count"] = String(count);
    button.setAttribute("role", "radio");
    return button;
  }

  #listen(): void {
    this.button.addEventListener("click", () => this.toggle());
    this.#close.addEventListener("click", () => this.toggle(false));
    this.#again.addEventListener("click", () => this.#options.again());
    this.#signIn.addEventListener("click", () => this.#options.signIn());
    this.#counts.addEventListener("click", (event) => this.#choose(target(event, "[data-count]")));
    this.#grid.addEventListener("click", (event) => {
      if (this.#press.isTap(event.detail === 0)) {
        this.#give(target(event, "[data-item]"));
      }
    });
    this.#grid.addEventListener("pointerdown", (event) => this.#press.down(event.pointerId, event.button === 0 ? target(event, "[data-item]") : null, event.timeStamp));
    // By then there may be a menu under the pointer.
    document.addEventListener("pointerup", (event) => this.#press.up(event.pointerId, event.timeStamp), { capture: true });
    this.#grid.addEventListener("pointerleave", () => this.#press.leave());
    for (const type of ["pointercancel", "scroll"] as const) {
      this.#grid.addEventListener(type, () => this.#press.cancel(false));
    }
    this.#grid.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      this.#press.cancel(true);
      this.#ask(target(event, "[data-item]"));
    });
    this.#grid.addEventListener("focusin", (event) => this.#rove(target(event, "[data-item]"), false));
    this.element.addEventListener("keydown", (event) => this.#handleKey(event));
  }

  #give(button: HTMLElement | null): void {
    const item = this.#itemOf(button);
    if (item !== null) {
      this.#options.give(item, this.#count);
    }
  }

  /** How many, of this one. */
  #ask(button: HTMLElement | null): void {
    const item = this.#itemOf(button);
    if (item !== null && button !== null) {
      openPopup(button, this.#options.frame, item.name, [COUNTS.map((count) => ({ label: `${t("gift.some", { n: count })} · ${t("wallet.coins", { n: item.price * count })}`, run: () => this.#options.give(item, count) }))]);
    }
  }

  #itemOf(button: HTMLElement | null): Item | null {
    const id = button?.dataset["item"];
    return this.#buttons.find(({ item }) => item.id === id)?.item ?? null;
  }

  #choose(button: HTMLElement | null): void {
    if (button !== null) {
      this.#count = Number(button.dataset["count"]);
      this.draw(null);
      button.focus();
    }
  }

  /** The grid is one stop of the Tab key, as the counts are. */
  #rove(element: HTMLElement | null, focus: boolean): void {
    if (element !== null) {
      for (const button of this.#buttons) {
        button.element.tabIndex = button.element === element ? 0 : -1;
      }
      if (focus) {
        element.focus();
      }
    }
  }

  #handleKey(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      this.toggle(false);
    } else if (!event.key.startsWith("Arrow") && event.key !== "Home" && event.key !== "End") {
      return;
    } else if (this.#counts.contains(document.activeElement)) {
      const step = event.key === "ArrowRight" || event.key === "ArrowDown" ? 1 : -1;
      const all = [...this.#counts.children] as HTMLElement[];
      const at = all.findIndex((button) => button === document.activeElement);
      this.#choose(all[(at + step + all.length) % all.length] ?? null);
    } else {
      this.#rove(nextOf(this.#buttons.map(({ element }) => element), document.activeElement, event.key), true);
    }
    // Here they choose; elsewhere on the page they mean the sound.
    event.preventDefault();
    event.stopPropagation();
  }
}

function target(event: Event, selector: string): HTMLElement | null {
  return event.target instanceof Element ? event.target.closest<HTMLElement>(selector) : null;
}

/** Left and right by order, up and down by what one sees. */
function nextOf(elements: readonly HTMLElement[], from: Element | null, key: string): HTMLElement | null {
  const at = elements.findIndex((element) => element === from);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: elements.length - 1 }[key];
  if (to !== undefined || at === -1) {
    return elements[Math.min(Math.max(to ?? 0, 0), elements.length - 1)] ?? null;
  }
  const here = elements[at]?.getBoundingClientRect();
  if (here === undefined) {
    return null;
  }
  const sign = key === "ArrowDown" ? 1 : -1;
  let best: HTMLElement | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const element of elements) {
    const { left, top } = element.getBoundingClientRect();
    const far = sign * (top - here.top);
    const score = far * 4 + Math.abs(left - here.left);
    if (far > 4 && score < least) {
      [best, least] = [element, score];
    }
  }
  return best;
}
