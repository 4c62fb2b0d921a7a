/** Idempotency keys: what is sent again because nobody answered carries the key it had. Pure but for chance. */

/** What waits for an answer at the same time; the oldest is forgotten. */
const WAITING_MAX = 100;

export class Keys {
  readonly #waiting = new Map<string, string>();
  readonly #make: () => string;

  constructor(make: () => string = random) {
    this.#make = make;
  }

  /** The key for this content. Another content is another request, and another key. */
  take(path: string, body: string): string {
    const what = `${path}\n${body}`;
    const key = this.#waiting.get(what) ?? this.#make();
    this.#waiting.delete(what);
    this.#waiting.set(what, key);
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > WAITING_MAX && oldest !== undefined) {
      this.#waiting.delete(oldest);
    }
    return key;
  }

  /** It was done or refused: the same again would be a second time. */
  settle(path: string, body: string): void {
    this.#waiting.delete(`${path}\n${body}`);
  }
}

/** `crypto.randomUUID` is not there on a page over plain HTTP. */
function random(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
