/** Asks again from time to time, while somebody looks: not all pages of a room at once. */

/** From one time to the next: this, and up to as much again. */
export const ROUND_MS = 30_000;
/** What a whole room has reason to ask for is spread over this time. */
export const SOON_MS = 6000;

export interface RoundsOptions {
  ask(): void;
  isVisible(): boolean;
}

export class Rounds {
  readonly #options: RoundsOptions;
  #wanted = false;
  #timer: number | undefined;
  #soon: number | undefined;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Whether there is something to ask for. */
  follow(wanted: boolean): void {
    if (wanted === this.#wanted) {
      return;
    }
    this.#wanted = wanted;
    window.clearTimeout(this.#timer);
    if (wanted) {
      this.#next();
    }
  }

  /** There is a reason to ask now. */
  soon(): void {
    this.#soon ??= window.setTimeout(() => {
      this.#soon = undefined;
      this.#options.ask();
    }, Math.random() * SOON_MS);
  }

  #next(): void {
    this.#timer = window.setTimeout(
      () => {
        if (this.#options.isVisible()) {
          this.#options.ask();
        }
        this.#next();
      },
      ROUND_MS * (1 + Math.random()),
    );
  }
}
