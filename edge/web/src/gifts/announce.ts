/** Gifts for who does not see them: the dearest since the last time and how many more, and not too often. */

import { t } from "../i18n";
import { make, setText } from "../ui/dom";

const EVERY_MS = 8000;

interface Said {
  readonly words: string;
  readonly points: number;
}

export class GiftAnnouncer {
  readonly element = make("p", "visually-hidden");
  #dearest: Said | null = null;
  #count = 0;
  #saidMs = Number.NEGATIVE_INFINITY;
  #timer: number | undefined;

  constructor() {
    this.element.setAttribute("aria-live", "polite");
    document.body.append(this.element);
  }

  /** What is said at once, and by itself. */
  say(words: string): void {
    setText(this.element, words);
    this.#saidMs = performance.now();
  }

  add(words: string, points: number): void {
    this.#count += 1;
    if (this.#dearest === null || points > this.#dearest.points) {
      this.#dearest = { words, points };
    }
    this.#timer ??= window.setTimeout(() => this.#speak(), Math.max(1000, this.#saidMs + EVERY_MS - performance.now()));
  }

  #speak(): void {
    this.#timer = undefined;
    const first = this.#dearest;
    const more = this.#count - 1;
    this.#dearest = null;
    this.#count = 0;
    if (first !== null && document.visibilityState === "visible") {
      this.say(more > 0 ? t("gift.andMore", { first: first.words, n: more }) : first.words);
    }
  }
}
