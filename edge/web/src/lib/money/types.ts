/** What the API says about gifts, money and people, once `parse.ts` has read it. */

export type Currency = "coin" | "diamond";

/** Some of a list, and what to ask for to get more. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

export interface Person {
  readonly id: string;
  readonly name: string;
}

export interface Item {
  readonly id: string;
  readonly name: string;
  readonly price: number;
  readonly currency: string;
  readonly animation: string;
  readonly attrs: ReadonlyMap<string, string>;
}

export interface GiftRecord {
  readonly id: string;
  readonly seq: number;
  readonly atMs: number;
  readonly room: string;
  readonly sender: Person;
  readonly item: string;
  readonly count: number;
  /** What the sender paid, in coins. */
  readonly total: number;
  readonly points: number;
  readonly note: string;
  /** `given`, `held`, `rejected`, `refunded`; shown as it is when it is another one. */
  readonly state: string;
}

export interface Transfer {
  readonly id: string;
  readonly seq: number | null;
  readonly batch: number | null;
  readonly atMs: number | null;
  readonly debit: string;
  readonly credit: string;
  readonly amount: number;
  readonly currency: string;
  readonly kind: string;
  readonly reference: string;
  readonly reverses: string | null;
}

export interface GiftSheet {
  readonly gift: GiftRecord;
  readonly transfers: readonly Transfer[];
  readonly signals: readonly string[];
}

export interface EarningsDay {
  /** `2026-11-22`: a day of the calendar, of no time zone. */
  readonly day: string;
  readonly gifts: number;
  readonly coins: number;
  readonly diamonds: number;
}

export interface Earnings {
  readonly currency: string;
  readonly balance: number;
  readonly days: readonly EarningsDay[];
}

export interface BoardEntry {
  readonly rank: number;
  readonly user: Person;
  readonly points: number;
}

export interface Board {
  readonly entries: readonly BoardEntry[];
  readonly total: number;
}

export interface Goal {
  readonly title: string;
  readonly target: number;
  readonly progress: number;
  readonly setAtMs: number;
  readonly reachedAtMs: number | null;
}

export interface Account {
  readonly id: string;
  readonly login: string;
  readonly name: string;
  readonly roles: readonly string[];
  /** Roles in rooms, by room. */
  readonly rooms: ReadonlyMap<string, readonly string[]>;
  readonly createdMs: number;
  readonly blocked: boolean;
}

export interface Wallet {
  readonly balance: number;
  readonly available: number;
  readonly held: number;
}

export interface AccountSheet {
  readonly account: Account;
  readonly wallet: Wallet | null;
}

export interface CurrencySummary {
  readonly currency: string;
  readonly issued: number;
  readonly accounts: number;
}

export interface LedgerSummary {
  readonly currencies: readonly CurrencySummary[];
  readonly outboxWaiting: number;
  readonly batches: number;
}

/** Something that does not add up: its kind, and what is said about it. */
export interface Difference {
  readonly kind: string;
  readonly fields: ReadonlyMap<string, string>;
}

export interface LedgerReport {
  readonly ok: boolean;
  readonly accounts: number;
  readonly holdsOpen: number;
  readonly batches: number;
  readonly transfers: number;
  readonly messagesPending: number;
  readonly sums: readonly { readonly currency: string; readonly accounts: number; readonly sum: string }[];
  readonly differences: readonly Difference[];
  /** Differences that are not listed. */
  readonly more: number;
}

export interface LedgerAccount {
  readonly id: string;
  readonly currency: string;
  readonly overdraft: boolean;
  readonly balance: number;
  readonly held: number;
}

export interface Report {
  readonly room: string;
  readonly id: string;
  readonly kind: "held" | "report";
  readonly author: Person;
  readonly text: string;
  readonly reason: string;
  readonly by: string;
}
