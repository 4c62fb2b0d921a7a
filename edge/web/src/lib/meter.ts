/** How fast bytes come, over the last few seconds. Pure: the time is an argument. */

export class ByteMeter {
  readonly #windowMs: number;
  #entries: { readonly atMs: number; readonly bytes: number }[] = [];
  #firstMs: number | null = null;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  observe(bytes: number, atMs: number): void {
    this.#firstMs ??= atMs;
    this.#entries.push({ bytes, atMs });
  }

  /** Bits per second; null before half of a window has been seen, or when nothing came in it. */
  rate(nowMs: number): number | null {
    this.#entries = this.#entries.filter(({ atMs }) => nowMs - atMs < this.#windowMs);
    if (this.#firstMs === null || nowMs - this.#firstMs < this.#windowMs / 2 || this.#entries.length === 0) {
      return null;
    }
    const bytes = this.#entries.reduce((sum, entry) => sum + entry.bytes, 0);
    return (bytes * 8000) / Math.min(this.#windowMs, nowMs - this.#firstMs);
  }
}
