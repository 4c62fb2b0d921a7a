/** The tab of the ledger: what there is, whether it adds up, and any account's history. */

import { said } from "../lib/money/call";
import { Loaded, Paged } from "../lib/money/loaded";
import { parseHistory, parseLedgerAccount, parseLedgerReport, parseLedgerSummary } from "../lib/money/parse";
import type { LedgerAccount, LedgerReport, LedgerSummary, Transfer } from "../lib/money/types";
import { accountText, availableOf, differenceText, grouped, sum } from "../lib/money/words";
import { h } from "../ui/patch";
import { type App, field, hash, type Tab } from "./app";
import { download } from "./download";
import { area, badge, button, facts, labelled, listOf, time, transferRow, waitingFor } from "./parts";
import { historyPath } from "./users";

const HISTORY = 50;
/** All of the ledger is read for it. */
const VERIFY_TIMEOUT_MS = 10 * 60_000;
const TICK_MS = 1000;
const DIFFERENCES_SHOWN = 200;

export class Ledger implements Tab {
  readonly name = "ledger";
  readonly title = "Ledger";
  readonly waiting = 0;
  readonly #app: App;
  readonly #summary = new Loaded<LedgerSummary>();
  readonly #report = new Loaded<{ readonly report: LedgerReport; readonly atMs: number; readonly tookMs: number }>();
  readonly #account = new Loaded<LedgerAccount>();
  readonly #history = new Paged<Transfer>();
  #id: string | null = null;
  #verifyingSinceMs = 0;
  #export: AbortController | null = null;

  constructor(app: App) {
    this.#app = app;
  }

  open([id]: readonly string[]): void {
    if (id !== this.#id) {
      this.#account.forget();
      this.#history.forget();
    }
    this.#id = id ?? null;
    this.refresh();
  }

  refresh(): void {
    const { call } = this.#app;
    const redraw = (): void => this.#app.redraw();
    void this.#summary.load(() => call.get("/api/admin/ledger/summary", parseLedgerSummary), redraw);
    const id = this.#id;
    if (id !== null) {
      void this.#account.load(() => call.get(`/api/admin/ledger/accounts/${encodeURIComponent(id)}`, parseLedgerAccount), redraw);
      void this.#history.load((next) => call.get(historyPath(id, next, HISTORY), parseHistory), redraw);
    }
  }

  view(): readonly (Node | null)[] {
    return [
      h("div", { class: "heading" }, h("h1", {}, "Ledger"), button("Refresh", "refresh")),
      waitingFor(this.#summary, this.#summary.value !== null),
      this.#summary.value === null ? null : summaryView(this.#summary.value),
      h("div", { class: "ledger-columns" }, this.#verifyView(), this.#exportView()),
      this.#accountView(),
    ];
  }

  press(what: string): void {
    if (what === "verify") {
      void this.#verify();
    } else if (what === "export-ledger" && this.#export === null) {
      void this.#save();
    } else if (what === "stop-export") {
      this.#export?.abort();
    } else if (what === "more-history") {
      void this.#history.more(() => this.#app.redraw());
    }
  }

  submit(what: string, _form: HTMLFormElement, data: FormData): void {
    const id = field(data, "account");
    if (what === "account" && id !== "") {
      location.hash = hash("ledger", idOf(id));
    }
  }

  async #verify(): Promise<void> {
    if (this.#report.loading) {
      return;
    }
    this.#verifyingSinceMs = Date.now();
    const timer = window.setInterval(() => this.#app.redraw(), TICK_MS);
    await this.#report.load(
      async () => {
        const report = await this.#app.call.change({ method: "POST", path: "/api/admin/ledger/verify", timeoutMs: VERIFY_TIMEOUT_MS }, parseLedgerReport);
        return { report, atMs: Date.now(), tookMs: Date.now() - this.#verifyingSinceMs };
      },
      () => this.#app.redraw(),
    );
    window.clearInterval(timer);
  }

  async #save(): Promise<void> {
    this.#export = new AbortController();
    this.#app.redraw();
    const day = new Date().toISOString().slice(0, 10);
    await download(this.#app, "/api/admin/ledger/export", `weir-ledger-${day}.jsonl`, this.#export.signal);
    this.#export = null;
    this.#app.redraw();
  }

  #verifyView(): HTMLElement {
    const { value, problem, loading } = this.#report;
    const seconds = Math.max(0, Math.round((Date.now() - this.#verifyingSinceMs) / 1000));
    return area(
      "Does it add up?",
      h("p", { class: "muted small-text" }, "Reads all accounts, holds and transfers, and computes every balance anew."),
      h("p", { class: "actions" }, h("button", { type: "button", class: "button", "data-do": "verify", disabled: loading }, loading ? "Verifying…" : "Verify now")),
      loading ? h("p", { class: "verifying" }, h("progress", { "aria-label": "Verifying" }), h("span", { class: "muted small-text" }, `for ${grouped(seconds)} s`)) : null,
      h(
        "div",
        { role: "status", "aria-live": "polite" },
        problem !== null && !loading ? waitingForVerify(problem) : null,
        value === null || loading ? null : reportView(value.report, value.atMs, value.tookMs),
      ),
    );
  }

  #exportView(): HTMLElement {
    return area(
      "Export",
      h("p", { class: "muted small-text" }, "The whole ledger as JSON lines: accounts, holds, batches, transfers and messages."),
      h("p", { class: "actions" }, this.#export === null ? button("Download", "export-ledger") : button("Give up", "stop-export")),
    );
  }

  #accountView(): HTMLElement {
    const id = this.#id;
    const account = this.#account.value;
    return area(
      "Accounts",
      h(
        "form",
        { class: "filter", "data-form": "account", role: "search" },
        labelled("Account", h("input", { type: "search", name: "account", placeholder: "coin:u-…, diamond:room:demo, coin:topup", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 128, dir: "ltr" }), "Currency and owner. The id of a user alone means their coins."),
        h("button", { type: "submit", class: "button" }, "Look up"),
      ),
      h("p", { class: "badges" }, ...["coin:topup", "coin:filter:gifts", "diamond:filter:gifts:issue"].map((known) => h("a", { class: "chip-link", href: hash("ledger", known) }, known))),
      id === null ? null : h("h3", { class: "account-id" }, h("code", {}, id), " ", h("span", { class: "muted" }, accountText(id))),
      id === null ? null : waitingFor(this.#account, account !== null),
      account === null ? null : accountFacts(account),
      id === null || account === null ? null : listOf(this.#history, { class: "transfers", label: "History", none: "Nothing came or went yet.", more: "more-history" }, (transfer) => transferRow(transfer, id)),
    );
  }
}

function accountFacts(account: LedgerAccount): HTMLElement {
  return facts([
    ["Balance", h("b", { class: account.balance < 0 && !account.overdraft ? "bad-text" : "" }, sum(account.balance, account.currency))],
    ["Available", sum(availableOf(account), account.currency)],
    ["Held", sum(account.held, account.currency)],
    ["May go below zero", account.overdraft ? "yes" : "no"],
  ]);
}

function summaryView({ currencies, outboxWaiting, batches }: LedgerSummary): HTMLElement {
  const card = (title: string, value: string, note: string, tone = ""): HTMLElement =>
    h("li", { class: `panel figure ${tone}`.trim(), "data-key": title }, h("span", { class: "muted" }, title), h("b", {}, value), h("small", { class: "muted" }, note));
  return h(
    "ul",
    { class: "summary", "aria-label": "Summary" },
    ...currencies.map(({ currency, issued, accounts }) => card(`${currency}s issued`, grouped(issued), `in ${grouped(accounts)} accounts`)),
    card("Messages waiting", grouped(outboxWaiting), outboxWaiting === 0 ? "rooms have heard of everything" : "rooms have not heard of these yet", outboxWaiting > 0 ? "warn" : ""),
    card("Batches", grouped(batches), "committed so far"),
  );
}

function waitingForVerify(problem: unknown): HTMLElement {
  return h("p", { class: "verdict unknown" }, h("b", {}, "Not verified."), ` ${said(problem)} Whether it adds up is not known.`);
}

function reportView(report: LedgerReport, atMs: number, tookMs: number): HTMLElement {
  const { ok, differences, more, accounts, transfers, batches, holdsOpen, messagesPending, sums } = report;
  const count = differences.length + more;
  return h(
    "div",
    { class: `verdict ${ok ? "good" : "bad"}` },
    h("p", { class: "verdict-word" }, h("b", {}, ok ? "✓ It adds up." : count === 0 ? "✗ It does not add up." : `✗ ${grouped(count)} ${count === 1 ? "difference" : "differences"}.`)),
    ok ? null : h("p", { class: "small-text" }, "Export the ledger before anything else is done to it."),
    h("ol", { class: "differences" }, ...differences.slice(0, DIFFERENCES_SHOWN).map((difference) => h("li", {}, badge(difference.kind.replaceAll("_", " "), "bad"), " ", differenceText(difference)))),
    count > DIFFERENCES_SHOWN ? h("p", { class: "small-text" }, `And ${grouped(count - Math.min(DIFFERENCES_SHOWN, differences.length))} more.`) : null,
    h(
      "p",
      { class: "muted small-text" },
      `${counted(accounts, "account")}, ${counted(transfers, "transfer")} in ${counted(batches, "batch", "batches")}, ${counted(holdsOpen, "open hold")}, ${counted(messagesPending, "message")} to be delivered. `,
      ...sums.map(({ currency, sum: total }) => `All ${currency}s sum to ${total}. `),
      "Looked at ",
      time(atMs),
      `, in ${(tookMs / 1000).toLocaleString(undefined, { maximumFractionDigits: 1 })} s.`,
    ),
  );
}

function counted(n: number, one: string, many = `${one}s`): string {
  return `${grouped(n)} ${n === 1 ? one : many}`;
}

/** What somebody typed, as an account's id. */
function idOf(typed: string): string {
  return typed.includes(":") && /^(coin|diamond):/.test(typed) ? typed : /^(room|filter):/.test(typed) ? `diamond:${typed}` : `coin:${typed}`;
}
