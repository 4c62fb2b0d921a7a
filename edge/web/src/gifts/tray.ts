/** The slots at the side of the picture in which series of gifts grow. Drawn once per frame, and only while somebody looks. */

import { formatNumber } from "../i18n";
import type { Gift } from "../room/gift";
import { colourOf } from "../room/text";
import { make, setText } from "../ui/dom";
import { emptyTray, type Look, nextMs, type Run, settled, type Tray, trayAfter, trayEnded, withSlots } from "./tray-state";

const SLOTS = 4;
/** On an upright phone there is room for fewer. */
const SLOTS_UPRIGHT = 3;
const UPRIGHT = "(orientation: portrait) and (max-width: 999px)";
const COLOURS = 12;
const BUMP_MS = 260;

interface Drawn {
  readonly key: string;
  readonly element: HTMLElement;
  readonly times: HTMLElement;
  total: number;
}

export class GiftTray {
  readonly element = make("div", "gift-tray");
  readonly #still = window.matchMedia("(prefers-reduced-motion: reduce)");
  readonly #places = Array.from({ length: SLOTS }, () => make("div", "gift-slot"));
  readonly #drawn: (Drawn | null)[] = Array.from({ length: SLOTS }, () => null);
  readonly #upright = window.matchMedia(UPRIGHT);
  #tray: Tray = emptyTray(this.#slots);
  #frame: number | null = null;
  #timer: number | undefined;

  constructor() {
    // The announcer and the chat say it.
    this.element.setAttribute("aria-hidden", "true");
    this.element.append(...this.#places);
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") {
        this.#tray = emptyTray(this.#slots);
        window.clearTimeout(this.#timer);
      }
      this.#schedule();
    });
    this.#upright.addEventListener("change", () => {
      this.#tray = withSlots(this.#tray, this.#slots, performance.now());
      this.#schedule();
    });
  }

  get #slots(): number {
    return this.#upright.matches ? SLOTS_UPRIGHT : SLOTS;
  }

  add(gift: Gift, look: Look): void {
    if (document.visibilityState === "visible") {
      this.#tray = trayAfter(this.#tray, gift, look, performance.now());
      this.#schedule();
    }
  }

  end(key: string): void {
    this.#tray = trayEnded(this.#tray, key, performance.now());
    this.#schedule();
  }

  #schedule(): void {
    if (this.#frame === null && document.visibilityState === "visible") {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = null;
        this.#draw();
      });
    }
  }

  #draw(): void {
    const nowMs = performance.now();
    this.#tray = settled(this.#tray, nowMs);
    for (const [at, place] of this.#places.entries()) {
      place.hidden = at >= this.#tray.slots.length;
      this.#drawSlot(at, this.#tray.slots[at] ?? null);
    }
    window.clearTimeout(this.#timer);
    const next = nextMs(this.#tray);
    if (next !== null) {
      this.#timer = window.setTimeout(() => this.#schedule(), Math.max(50, next - nowMs));
    }
  }

  #drawSlot(at: number, run: Run | null): void {
    const drawn = this.#drawn[at] ?? null;
    if (drawn !== null && drawn.key !== run?.key) {
      this.#leave(drawn.element);
      this.#drawn[at] = null;
    }
    if (run === null) {
      return;
    }
    const known = this.#drawn[at] ?? this.#enter(at, run);
    known.element.classList.toggle("ended", run.ended);
    if (known.total !== run.total) {
      known.total = run.total;
      setText(known.times, timesOf(run.total));
      if (!this.#still.matches) {
        known.times.animate([{ transform: "scale(1.55)" }, { transform: "scale(1)" }], { duration: BUMP_MS, easing: "cubic-bezier(0.2, 0.8, 0.3, 1.2)" });
      }
    }
  }

  #enter(at: number, run: Run): Drawn {
    const times = make("span", "gift-times", timesOf(run.total));
    const who = make("bdi", `gift-who hue-${colourOf(run.senderId, COLOURS)}`, run.sender);
    const what = make("bdi", "gift-what", run.name);
    who.dir = "auto";
    what.dir = "auto";
    const element = make("div", "gift-run", make("span", "gift-said", who, what), make("span", "gift-pic", run.emoji), times);
    this.#places[at]?.append(element);
    if (!this.#still.matches) {
      element.animate([{ transform: "translateX(-110%)", opacity: 0 }, { transform: "none", opacity: 1 }], { duration: 280, easing: "cubic-bezier(0.2, 0.8, 0.3, 1)" });
    }
    const drawn = { key: run.key, element, times, total: run.total };
    this.#drawn[at] = drawn;
    return drawn;
  }

  #leave(element: HTMLElement): void {
    if (this.#still.matches || document.visibilityState === "hidden") {
      element.remove();
      return;
    }
    const animation = element.animate([{ transform: "none", opacity: 1 }, { transform: "translateY(-60%)", opacity: 0 }], { duration: 240, easing: "ease-in", fill: "both" });
    animation.onfinish = () => element.remove();
    animation.oncancel = () => element.remove();
  }
}

function timesOf(total: number): string {
  return total > 1 ? `×${formatNumber(total)}` : "";
}
