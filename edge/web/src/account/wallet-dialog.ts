/** Balance and history. Coins are not sold here: the operator does that. */

import { formatNumber, hasKey, locale, onLanguage, t } from "../i18n";
import { icon, make, setText } from "../ui/dom";
import { grouped, type Wallet, WalletHistory, type WalletLine } from "./wallet";
import { problemWords } from "./words";

export class WalletDialog {
  readonly #element = make("dialog", "dialog wallet-dialog");
  readonly #wallet: Wallet;
  readonly #nameOf: (item: string) => string;
  readonly #title = make("h2", "");
  readonly #balance = make("p", "wallet-balance");
  readonly #held = make("p", "muted small");
  readonly #sells = make("p", "muted small");
  readonly #list = make("ul", "wallet-list");
  readonly #status = make("p", "muted wallet-status");
  readonly #more = make("button", "button quiet compact");
  readonly #close = make("button", "icon-button", icon("close"));
  readonly #history: WalletHistory;

  /** `nameOf`: what an item is called here, or its id. */
  constructor(wallet: Wallet, nameOf: (item: string) => string) {
    this.#wallet = wallet;
    this.#history = new WalletHistory(wallet);
    this.#nameOf = nameOf;
    this.#title.id = "wallet-title";
    this.#element.setAttribute("aria-labelledby", this.#title.id);
    this.#status.setAttribute("role", "status");
    this.#close.type = "button";
    this.#close.addEventListener("click", () => this.#element.close());
    this.#more.type = "button";
    this.#more.addEventListener("click", () => void this.#load(this.#history.more()));
    this.#element.append(make("div", "dialog-head", this.#title, this.#close), this.#balance, this.#held, this.#sells, this.#list, this.#status, this.#more);
    document.body.append(this.#element);
    wallet.onChange(() => this.#follow());
    onLanguage(() => this.#draw());
  }

  open(): void {
    this.#more.hidden = true;
    this.#list.replaceChildren();
    this.#element.showModal();
    this.#draw();
    void this.#wallet.refresh();
    void this.#load(this.#history.begin());
  }

  /** What one sees is nobody else's matter. */
  #follow(): void {
    if (this.#history.isOver) {
      this.#list.replaceChildren();
      this.#element.close();
    } else if (this.#element.open) {
      this.#draw();
    }
  }

  async #load(asking: Promise<boolean>): Promise<void> {
    setText(this.#status, t("wallet.loading"));
    if (!(await asking)) {
      return;
    }
    const { hasMore, lines, problem } = this.#history;
    if (problem === null) {
      this.#list.replaceChildren(...grouped(lines).map((line) => this.#row(line)));
    }
    setText(this.#status, problem !== null ? problemWords(problem) : lines.length === 0 ? t("wallet.empty") : "");
    if (!hasMore && document.activeElement === this.#more) {
      this.#close.focus();
    }
    this.#more.hidden = !hasMore;
  }

  #draw(): void {
    const { balance } = this.#wallet;
    setText(this.#title, t("wallet.title"));
    setText(this.#balance, balance === null ? "–" : t("wallet.coins", { n: balance.available }));
    this.#held.hidden = balance === null || balance.held <= 0;
    setText(this.#held, t("wallet.held", { n: balance?.held ?? 0 }));
    setText(this.#sells, t("wallet.sells"));
    setText(this.#more, t("wallet.more"));
    this.#close.setAttribute("aria-label", t("page.close"));
  }

  #row(line: WalletLine): HTMLElement {
    const key = `wallet.kind_${line.kind}`;
    const item = line.item !== "" ? this.#nameOf(line.item) : hasKey(key) ? t(key) : line.kind;
    const what = line.count > 1 ? t("gift.severalGave", { item, n: line.count }) : item;
    const words = make("bdi", "wallet-what", line.item !== "" && line.kind !== "gift" && hasKey(key) ? `${t(key)}: ${what}` : what);
    const about = [when(line.atMs), line.room, line.note].filter((part) => part !== "").join(" · ");
    const amount = make("span", line.amount < 0 ? "wallet-amount" : "wallet-amount in", `${line.amount < 0 ? "−" : "+"}${formatNumber(Math.abs(line.amount))}`);
    return make("li", "", make("div", "", words, make("bdi", "muted small", about)), amount);
  }
}

function when(atMs: number): string {
  return atMs > 0 ? new Date(atMs).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" }) : "";
}
