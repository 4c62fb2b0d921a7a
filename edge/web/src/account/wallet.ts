/** What one's coins are, and where they went. */

import { field, list, number, text } from "../lib/json";
import { asProblem, Problem } from "./problem";
import type { Session } from "./session";

export interface Balance {
  readonly balance: number;
  readonly available: number;
  readonly held: number;
}

export interface WalletLine {
  readonly seq: number;
  readonly atMs: number;
  readonly kind: string;
  readonly amount: number;
  readonly item: string;
  readonly count: number;
  readonly room: string;
  readonly note: string;
}

export interface Page {
  readonly lines: readonly WalletLine[];
  readonly next: number | null;
}

const PAGE_LINES = 30;
const LINES_MAX = 1000;
/** No longer between two of them. */
const GROUP_MS = 60_000;

/** Pure. */
export function parseBalance(value: unknown): Balance | null {
  const available = field(value, "available");
  return typeof available === "number" && Number.isFinite(available) ? { available, balance: number(field(value, "balance")), held: number(field(value, "held")) } : null;
}

/** Pure. */
export function parsePage(value: unknown): Page {
  const next = field(value, "next");
  const lines = list(field(value, "items")).map((item): WalletLine => {
    const gift = field(item, "gift");
    return {
      seq: number(field(item, "seq")),
      atMs: number(field(item, "at_ms")),
      kind: text(field(item, "kind")),
      amount: number(field(item, "amount")),
      item: text(field(gift, "item")),
      count: number(field(gift, "count")),
      room: text(field(gift, "room")),
      note: text(field(item, "note")),
    };
  });
  return { lines, next: typeof next === "number" ? next : null };
}

/** The balance of who is signed in, shared by all that show it. What is being spent is taken off before the answer comes. */
export class Wallet {
  readonly #session: Session;
  readonly #listeners: (() => void)[] = [];
  #balance: Balance | null = null;
  #spending = 0;
  #owner = "";
  /** Answers that come late must not undo what was learned since. */
  #asked = 0;

  constructor(session: Session) {
    this.#session = session;
    session.onChange(() => this.#follow());
    this.#follow();
  }

  /** Whose it is; nobody's is "". */
  get owner(): string {
    return this.#owner;
  }

  get balance(): Balance | null {
    return this.#balance;
  }

  /** What is left when all that is on its way was taken; null before one knows. */
  get left(): number | null {
    return this.#balance === null ? null : this.#balance.available - this.#spending;
  }

  /** Coins on their way. */
  get onWay(): number {
    return this.#spending;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** `coins` are on their way, all in all. */
  spending(coins: number): void {
    if (coins !== this.#spending) {
      this.#spending = coins;
      this.#changed();
    }
  }

  /**
   * So many coins were paid, and an answer said what is available then. Answers overtake each other: the least is the latest, as
   * long as one only spends. Where it did not say, the price is taken off until the wallet itself, which is asked, says more.
   */
  paid(coins: number, said: number | null): void {
    if (this.#balance !== null) {
      this.#asked += 1;
      const available = Math.min(said ?? this.#balance.available - coins, this.#balance.available);
      this.#balance = { ...this.#balance, available, balance: available + this.#balance.held };
      this.#changed();
    }
    if (said === null) {
      void this.refresh();
    }
  }

  async refresh(): Promise<void> {
    const asked = (this.#asked += 1);
    if (this.#session.user === null) {
      return;
    }
    try {
      const balance = parseBalance(await this.#session.json("/api/wallet"));
      if (asked === this.#asked && balance !== null) {
        this.#balance = balance;
        this.#changed();
      }
    } catch {
      // It stays what it was.
    }
  }

  async page(before: number | null): Promise<Page | Problem> {
    const query = new URLSearchParams({ limit: String(PAGE_LINES), ...(before === null ? {} : { before: String(before) }) });
    try {
      return parsePage(await this.#session.json(`/api/wallet/history?${query.toString()}`));
    } catch (error) {
      return asProblem(error);
    }
  }

  #follow(): void {
    const owner = this.#session.user?.id ?? "";
    if (owner !== this.#owner) {
      this.#owner = owner;
      this.#asked += 1;
      this.#balance = null;
      this.#spending = 0;
      this.#changed();
      void this.refresh();
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

/** Gifts of the same in a row are one line for who reads. Newest first. Pure. */
export function grouped(lines: readonly WalletLine[]): readonly WalletLine[] {
  const groups: WalletLine[] = [];
  let oldestMs = 0;
  for (const line of lines) {
    const last = groups.at(-1);
    const same = last !== undefined && line.kind === "gift" && last.kind === "gift" && last.item === line.item && last.room === line.room && last.note === line.note;
    if (same && oldestMs - line.atMs <= GROUP_MS) {
      groups[groups.length - 1] = { ...last, amount: last.amount + line.amount, count: last.count + Math.max(1, line.count) };
    } else {
      groups.push({ ...line, count: Math.max(1, line.count) });
    }
    oldestMs = line.atMs;
  }
  return groups;
}

/** A history does not grow for ever on a page: where it ends there is no next one. Pure. */
export function joined(lines: readonly WalletLine[], page: Page): Page {
  const known = new Set(lines.map(({ seq }) => seq));
  const all = [...lines, ...page.lines.filter(({ seq }) => !known.has(seq))].slice(0, LINES_MAX);
  return { lines: all, next: all.length < LINES_MAX ? page.next : null };
}

/** What a dialog shows of a wallet, page by page, for one person: when it is another one's wallet it is over. */
export class WalletHistory {
  readonly #wallet: Wallet;
  #owner: string;
  #shown: Page = { lines: [], next: null };
  #problem: Problem | null = null;
  #asking = 0;

  constructor(wallet: Wallet) {
    this.#wallet = wallet;
    this.#owner = wallet.owner;
  }

  get lines(): readonly WalletLine[] {
    return this.#shown.lines;
  }

  /** Why there is no more. */
  get problem(): Problem | null {
    return this.#problem;
  }

  get hasMore(): boolean {
    return this.#shown.next !== null || this.#problem !== null;
  }

  get isOver(): boolean {
    return this.#owner !== this.#wallet.owner;
  }

  /** From the newest, of who is signed in now. */
  begin(): Promise<boolean> {
    this.#owner = this.#wallet.owner;
    this.#shown = { lines: [], next: null };
    this.#problem = null;
    return this.more();
  }

  /** False where nothing came of it: it is not wanted any more. */
  async more(): Promise<boolean> {
    const asking = (this.#asking += 1);
    const page = await this.#wallet.page(this.#shown.next);
    if (asking !== this.#asking || this.isOver) {
      return false;
    }
    this.#problem = page instanceof Problem ? page : null;
    this.#shown = page instanceof Problem ? this.#shown : joined(this.#shown.lines, page);
    return true;
  }
}
