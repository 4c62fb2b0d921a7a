/**
 * Tells a long press from a tap by when they happened, not by when the page came to hear of them: where it is busy, a timer fires
 * before the end of a short tap is told, and the end of a long one may be told before the timer.
 */

export const LONG_PRESS_MS = 500;

export interface LongPressOptions<T> {
  /** It was a long press of `what`. */
  long(what: T): void;
  /** What was taken for a long press was a tap. */
  shortAfterAll(what: T): void;
}

export class LongPress<T> {
  readonly #options: LongPressOptions<T>;
  #down: { readonly pointer: number; readonly what: T; readonly atMs: number } | null = null;
  #timer: number | undefined;
  #told = false;

  constructor(options: LongPressOptions<T>) {
    this.#options = options;
  }

  /** `what` is null where a press means nothing. Times are those of the events. */
  down(pointer: number, what: T | null, atMs: number): void {
    this.#end();
    this.#told = false;
    if (what !== null) {
      this.#down = { pointer, what, atMs };
      // When it fires, what has happened already comes first.
      this.#timer = window.setTimeout(() => (this.#timer = window.setTimeout(() => this.#long(what))), LONG_PRESS_MS);
    }
  }

  up(pointer: number, atMs: number): void {
    const down = this.#down;
    if (down?.pointer !== pointer) {
      return;
    }
    this.#end();
    const isLong = atMs - down.atMs >= LONG_PRESS_MS;
    if (isLong && !this.#told) {
      this.#long(down.what);
    } else if (!isLong && this.#told) {
      this.#options.shortAfterAll(down.what);
    }
  }

  /** The pointer has left. What was a long press by then may have been a tap still. */
  leave(): void {
    if (!this.#told) {
      this.#end();
    }
  }

  /** It is no press at all, or the browser itself has said that it is a long one: then the click after it is none, either. */
  cancel(isLong: boolean): void {
    this.#end();
    this.#told ||= isLong;
  }

  /** Whether the click that has come is a tap. One by a key has no pointer. */
  isTap(byKey: boolean): boolean {
    const isTap = byKey || !this.#told;
    this.#told = false;
    return isTap;
  }

  #long(what: T): void {
    this.#told = true;
    this.#options.long(what);
  }

  #end(): void {
    window.clearTimeout(this.#timer);
    this.#down = null;
  }
}
