/** What the bar of a page shows of the account: a way in, or who one is and what one can do. Nothing where there are no accounts. */

import { formatNumber, onLanguage, t } from "../i18n";
import { closePopup, openPopup } from "../chat/popup";
import { icon, make, setAttribute, setText } from "../ui/dom";
import type { AccountDialogs } from "./dialogs";
import type { Session } from "./session";
import type { Wallet } from "./wallet";

export class AccountMenu {
  readonly element = make("div", "account");
  readonly #session: Session;
  readonly #wallet: Wallet;
  readonly #dialogs: AccountDialogs;
  readonly #onWallet: () => void;
  readonly #signIn = make("button", "button compact sign-in", icon("person"), make("span", ""));
  readonly #coinsText = make("span", "");
  readonly #coins = make("span", "account-coins", coinIcon(), this.#coinsText);
  readonly #initial = make("span", "account-initial");
  readonly #name = make("bdi", "account-name");
  readonly #menu = make("button", "account-button", this.#initial, make("span", "account-words", this.#name, this.#coins));

  constructor(session: Session, wallet: Wallet, dialogs: AccountDialogs, onWallet: () => void) {
    this.#session = session;
    this.#wallet = wallet;
    this.#dialogs = dialogs;
    this.#onWallet = onWallet;
    this.#signIn.type = "button";
    this.#signIn.addEventListener("click", () => dialogs.signIn());
    this.#menu.type = "button";
    this.#menu.setAttribute("aria-haspopup", "menu");
    this.#menu.setAttribute("aria-expanded", "false");
    this.#menu.addEventListener("click", () => this.#open());
    this.#initial.setAttribute("aria-hidden", "true");
    this.element.append(this.#signIn, this.#menu);
    session.onChange(() => {
      closePopup();
      this.#draw();
    });
    wallet.onChange(() => this.#draw());
    onLanguage(() => this.#draw());
    this.#draw();
  }

  #draw(): void {
    const { user, accounts } = this.#session;
    this.element.hidden = user === null && accounts !== "there";
    this.#signIn.hidden = user !== null;
    this.#menu.hidden = user === null;
    setText(this.#signIn.querySelector("span") ?? this.#signIn, t("account.signIn"));
    if (user === null) {
      return;
    }
    const left = this.#wallet.left;
    const [initial = "?"] = user.name === "" ? user.login : user.name;
    setText(this.#initial, initial.toLocaleUpperCase());
    setText(this.#name, user.name === "" ? user.login : user.name);
    this.#coins.hidden = left === null;
    setText(this.#coinsText, formatNumber(left ?? 0, true));
    setAttribute(this.#menu, "aria-label", [t("account.menu", { name: user.name }), ...(left === null ? [] : [t("wallet.coins", { n: left })])].join(", "));
  }

  #open(): void {
    const { left } = this.#wallet;
    // When the dialog closes, the focus comes back here: the item that opened it is gone by then.
    const then = (run: () => void) => (): void => {
      this.#menu.focus();
      run();
    };
    openPopup(this.#menu, document.body, t("account.menuLabel"), [
      [{ label: left === null ? t("wallet.title") : `${t("wallet.title")} · ${t("wallet.coins", { n: left })}`, run: then(() => this.#onWallet()) }],
      [
        { label: t("account.rename"), run: then(() => this.#dialogs.rename()) },
        { label: t("account.changePassword"), run: then(() => this.#dialogs.changePassword()) },
        { label: t("account.export"), run: then(() => void this.#dialogs.export()) },
      ],
      [
        { label: t("account.signOut"), run: then(() => void this.#dialogs.signOut()) },
        { label: t("account.everywhere"), run: then(() => this.#dialogs.signOutEverywhere()) },
        { label: t("account.erase"), danger: true, run: then(() => this.#dialogs.erase()) },
      ],
    ]);
  }
}

export function coinIcon(): SVGElement {
  const element = icon("coin");
  element.classList.add("coin");
  return element;
}
