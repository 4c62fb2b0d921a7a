/** What tests have for time. */

/** A clock that moves when the test says so. */
export class FakeClock {
  #timers: { readonly run: () => void; readonly atMs: number }[] = [];

  constructor(public nowMs = 0) {}

  later(run: () => void, ms: number): void {
    this.#timers.push({ run, atMs: this.nowMs + ms });
  }

  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.nowMs);
    due.forEach(({ run }) => run());
    await settle();
  }
}

/** What follows from what has happened. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) {
    await Promise.resolve();
  }
}
