/**
 * Gifts over the picture: small ones rise at its side, big ones come to its middle, huge ones fill it. Only transforms and
 * opacity move, so the compositor does it; nothing of it takes a press, and nothing runs while nobody looks. Who wants no
 * motion gets a card that stands still.
 */

import { NAME_CHARACTERS_MAX, shortened } from "../chat/line";
import { formatNumber, t } from "../i18n";
import { make } from "../ui/dom";
import { FramePace } from "./pace";
import { type Show, ShowQueue } from "./shows";

/** Small ones at once. */
const RISING_MAX = 14;
/** The same, on a machine that does not keep up; and there is no more than the picture and its words of the huge ones. */
const RISING_SLOW_MAX = 4;
const RISE_MS = 2600;
/** Between two small ones; shorter the more wait. */
const SPAWN_MS = 110;
const SPAWN_MS_MIN = 60;
const BIG_MS = [2200, 6000] as const;
const HUGE_MS = [3500, 9000] as const;
const CARD_MS = 3500;
const SPARKS = 18;
/** So many dear ones wait that each is shown shorter. */
const HURRY_SHOWS = 4;
const HURRY = 0.55;

export class GiftStage {
  readonly element = make("div", "gift-stage");
  readonly #queue = new ShowQueue();
  readonly #still = window.matchMedia("(prefers-reduced-motion: reduce)");
  readonly #pace = new FramePace();
  #rising = 0;
  #playing = false;
  #timer: number | undefined;
  #frame: number | null = null;

  constructor() {
    this.element.setAttribute("aria-hidden", "true");
    document.addEventListener("visibilitychange", () => (document.visibilityState === "hidden" ? this.#clear() : undefined));
    this.#still.addEventListener("change", () => this.#clear());
  }

  /** For the curious: what waits. */
  get waiting(): number {
    return this.#queue.length;
  }

  show(show: Show): void {
    if (document.visibilityState === "hidden" || (this.#still.matches && show.tier === "small")) {
      return;
    }
    this.#queue.push(show, performance.now());
    this.#pump();
  }

  /** Something was reached by all. */
  celebrate(words: string): void {
    this.show({ tier: "huge", item: "", emoji: "🎉", name: words, sender: "", senderId: words, count: 1, durationMs: 5000 });
  }

  #clear(): void {
    this.#queue.clear();
    window.clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const animation of this.element.getAnimations({ subtree: true })) {
      animation.cancel();
    }
    this.element.replaceChildren();
    this.#rising = 0;
    this.#playing = false;
  }

  #pump(): void {
    const nowMs = performance.now();
    if (!this.#playing) {
      const dear = this.#queue.take("huge", nowMs) ?? this.#queue.take("big", nowMs);
      if (dear !== null) {
        this.#play(dear);
      }
    }
    if (this.#timer === undefined && this.#rising < (this.#pace.isSlow ? RISING_SLOW_MAX : RISING_MAX)) {
      const small = this.#queue.take("small", nowMs);
      if (small !== null) {
        this.#rise(small);
        const waiting = this.#queue.count("small");
        this.#timer = window.setTimeout(() => {
          this.#timer = undefined;
          this.#pump();
        }, Math.max(SPAWN_MS_MIN, SPAWN_MS - waiting));
      }
    }
  }

  #rise(show: Show): void {
    const element = make("div", "gift-rise", make("span", "", show.emoji));
    if (show.count > 1) {
      element.append(make("span", "gift-times", `×${formatNumber(show.count)}`));
    }
    const x = Math.random() * -90;
    const sway = (Math.random() - 0.5) * 70;
    const size = 0.85 + Math.min(0.5, Math.log10(show.count) / 4) + Math.random() * 0.2;
    this.element.append(element);
    this.#rising += 1;
    const at = (dx: number, y: number, scale: number): string => `translate(${x + dx}px, ${y}cqh) scale(${scale})`;
    const animation = element.animate(
      [
        { transform: at(0, 0, 0.2), opacity: 0 },
        { transform: at(sway * 0.2, -8, size * 1.15), opacity: 1, offset: 0.12 },
        { transform: at(sway * 0.5, -26, size), opacity: 1, offset: 0.6 },
        { transform: at(sway, -48, size * 0.9), opacity: 0 },
      ],
      { duration: RISE_MS + Math.random() * 500, easing: "cubic-bezier(0.25, 0.6, 0.5, 1)", fill: "both" },
    );
    this.#after(animation, element, () => (this.#rising -= 1));
  }

  #play(show: Show): void {
    this.#playing = true;
    const hurry = this.#queue.count("big") + this.#queue.count("huge") >= HURRY_SHOWS ? HURRY : 1;
    const [least, most] = show.tier === "huge" ? HUGE_MS : BIG_MS;
    const duration = Math.min(most, Math.max(least, show.durationMs)) * hurry;
    const done = (): void => {
      this.#playing = false;
    };
    if (this.#still.matches) {
      const card = make("div", `gift-card still tier-${show.tier}`, make("span", "gift-big", show.emoji), wordsOf(show));
      this.element.append(card);
      window.setTimeout(() => {
        if (card.isConnected) {
          card.remove();
          done();
          this.#pump();
        }
      }, Math.max(CARD_MS, duration));
    } else if (show.tier === "huge") {
      this.#playHuge(show, duration, done);
    } else {
      this.#playBig(show, duration, done);
    }
  }

  #playBig(show: Show, duration: number, done: () => void): void {
    const card = make("div", "gift-card", make("span", "gift-big", show.emoji), wordsOf(show));
    this.element.append(card);
    const share = (ms: number): number => Math.min(0.3, ms / duration);
    const animation = card.animate(
      [
        { transform: "translate(-50%, 10%) scale(0.3)", opacity: 0, easing: "cubic-bezier(0.2, 0.9, 0.3, 1.3)" },
        { transform: "translate(-50%, -50%) scale(1)", opacity: 1, offset: share(420) },
        { transform: "translate(-50%, -52%) scale(1.03)", opacity: 1, offset: 1 - share(380), easing: "ease-in" },
        { transform: "translate(-50%, -90%) scale(0.8)", opacity: 0 },
      ],
      { duration, fill: "both" },
    );
    this.#after(animation, card, done);
  }

  #playHuge(show: Show, duration: number, done: () => void): void {
    const hero = make("div", "gift-hero", make("span", "gift-big", show.emoji));
    const words = wordsOf(show);
    const glow = make("div", "gift-glow");
    const slow = this.#pace.isSlow;
    const sparks = Array.from({ length: slow ? 0 : SPARKS }, () => make("span", "gift-spark", show.emoji));
    const scene = make("div", "gift-scene", ...(slow ? [] : [glow]), ...sparks, hero, words);
    this.element.append(scene);
    const timing = { duration, fill: "both" } as const;
    scene.animate([{ opacity: 0 }, { opacity: 1, offset: 0.08 }, { opacity: 1, offset: 0.88 }, { opacity: 0 }], timing);
    glow.animate([{ transform: "rotate(0deg) scale(0.4)" }, { transform: "rotate(50deg) scale(1.1)", offset: 0.15 }, { transform: "rotate(220deg) scale(1.25)" }], timing);
    words.animate([{ transform: "translateY(24px)", opacity: 0 }, { transform: "none", opacity: 1, offset: 0.16 }, { transform: "none", opacity: 1 }], timing);
    for (const [at, spark] of sparks.entries()) {
      fly(spark, at, duration);
    }
    const animation = hero.animate(
      [
        { transform: "translateY(60cqh) scale(0.4) rotate(-12deg)", easing: "cubic-bezier(0.15, 0.9, 0.25, 1.15)" },
        { transform: "none", offset: 0.2 },
        { transform: "translateY(-2cqh) scale(1.06) rotate(2deg)", offset: 0.55, easing: "ease-in-out" },
        { transform: "none", offset: 0.85, easing: "ease-in" },
        { transform: "translateY(-30cqh) scale(1.5)" },
      ],
      timing,
    );
    this.#after(animation, scene, done);
  }

  /** Looks how long frames take, while there are any. */
  #watch(): void {
    this.#frame ??= requestAnimationFrame((nowMs) => {
      this.#frame = null;
      this.#pace.frame(nowMs);
      if (this.#rising > 0 || this.#playing) {
        this.#watch();
      } else {
        this.#pace.pause();
      }
    });
  }

  /** Once it is over the element goes, and the next one comes. What was cancelled is gone already. */
  #after(animation: Animation, element: HTMLElement, done: () => void): void {
    this.#watch();
    animation.onfinish = () => {
      if (element.isConnected) {
        element.remove();
        done();
        this.#pump();
      }
    };
  }
}

function fly(spark: HTMLElement, at: number, duration: number): void {
  const angle = (at / SPARKS) * Math.PI * 2 + Math.random() * 0.5;
  const far = 26 + Math.random() * 26;
  const to = `translate(${(Math.cos(angle) * far * 1.3).toFixed(1)}cqw, ${(Math.sin(angle) * far).toFixed(1)}cqh) rotate(${Math.round(Math.random() * 300 - 150)}deg) scale(${(0.5 + Math.random() * 0.7).toFixed(2)})`;
  spark.animate([{ transform: "scale(0)", opacity: 0 }, { transform: "scale(0.7)", opacity: 1, offset: 0.15 }, { transform: to, opacity: 0 }], {
    duration: duration * (0.45 + Math.random() * 0.25),
    delay: duration * (0.12 + Math.random() * 0.3),
    easing: "cubic-bezier(0.15, 0.7, 0.4, 1)",
    fill: "both",
  });
}

function wordsOf({ sender: who, name, count }: Show): HTMLElement {
  const sender = shortened(who, NAME_CHARACTERS_MAX);
  const words = sender === "" ? (count > 1 ? t("gift.severalGave", { item: name, n: count }) : name) : count > 1 ? t("gift.gaveSome", { name: sender, item: name, n: count }) : t("gift.gaveOne", { name: sender, item: name });
  const element = make("bdi", "gift-words", words);
  element.dir = "auto";
  return element;
}
