/** Something that is asked for, and how far that has come: once, or page by page. An answer that came too late is dropped. */

import type { Page } from "./types";

export class Loaded<T> {
  value: T | null = null;
  /** Of the last attempt. */
  problem: unknown = null;
  loading = false;
  #attempt = 0;

  /** Asks; what was there stays until the answer is. */
  async load(ask: () => Promise<T>, changed: () => void): Promise<void> {
    const attempt = ++this.#attempt;
    this.loading = true;
    changed();
    try {
      const value = await ask();
      if (attempt === this.#attempt) {
        this.value = value;
        this.problem = null;
      }
    } catch (error) {
      if (attempt === this.#attempt) {
        this.problem = error;
      }
    }
    if (attempt === this.#attempt) {
      this.loading = false;
      changed();
    }
  }

  forget(): void {
    this.#attempt += 1;
    this.value = null;
    this.problem = null;
    this.loading = false;
  }
}

/** A list that is read page by page. */
export class Paged<T> {
  readonly #pages = new Loaded<Page<T>>();
  #ask: ((next: string | null) => Promise<Page<T>>) | null = null;

  get items(): readonly T[] | null {
    return this.#pages.value?.items ?? null;
  }

  get hasMore(): boolean {
    return this.#pages.value !== null && this.#pages.value.next !== null;
  }

  get loading(): boolean {
    return this.#pages.loading;
  }

  get problem(): unknown {
    return this.#pages.problem;
  }

  /** From the beginning. */
  async load(ask: (next: string | null) => Promise<Page<T>>, changed: () => void): Promise<void> {
    this.#ask = ask;
    await this.#pages.load(() => ask(null), changed);
  }

  /** The next page, behind what is there. */
  async more(changed: () => void): Promise<void> {
    const before = this.#pages.value;
    const ask = this.#ask;
    if (before === null || before.next === null || ask === null || this.loading) {
      return;
    }
    await this.#pages.load(async () => {
      const page = await ask(before.next);
      return { items: [...before.items, ...page.items], next: page.next };
    }, changed);
  }

  forget(): void {
    this.#pages.forget();
  }
}
