/** What staff can do to a user, with the question before it. */

import { checkCredit, CREDIT_MAX, type CreditProblem, checkPassword, isConfirmed, isRole, isRoom, NOTE_CHARACTERS_MAX, wholeOf } from "../lib/money/check";
import { record, text } from "../lib/filters/parse";
import type { Account, AccountSheet } from "../lib/money/types";
import { grouped, named, sum } from "../lib/money/words";
import { h } from "../ui/patch";
import { type App, carryOut, field } from "./app";
import { labelled } from "./parts";

interface After {
  /** The user is another one than before. */
  changed(): void;
  /** There is no such user any more. */
  gone(): void;
}

const CREDIT_WORDS: Readonly<Record<CreditProblem, string>> = {
  "no-number": "A whole number, such as 1,000.",
  zero: "Nothing is not a credit.",
  "too-much": `At most ${grouped(CREDIT_MAX)} coins at once.`,
  "no-note": "A note says later what it was for.",
  "long-note": `At most ${NOTE_CHARACTERS_MAX} characters of note.`,
};

export class UserActions {
  readonly #app: App;
  readonly #after: After;

  constructor(app: App, after: After) {
    this.#app = app;
    this.#after = after;
  }

  press(what: string, data: DOMStringMap, sheet: AccountSheet): void {
    const { account } = sheet;
    const { role, room } = data;
    switch (what) {
      case "block":
        this.#app.ask({
          title: `Block ${named(account.name)}?`,
          text: `They cannot sign in, and all their sign-ins end. Their money and what they said stay.${this.#own(account)}`,
          confirm: "Block",
          danger: true,
          run: () => this.#post(account, "block", `${named(account.name)} is blocked.`),
        });
        break;
      case "unblock":
        void carryOut(this.#app, `Unblocking ${named(account.name)}…`, () => this.#post(account, "unblock", `${named(account.name)} may sign in again.`));
        break;
      case "sign-out-user":
        this.#app.ask({
          title: `Sign ${named(account.name)} out everywhere?`,
          text: `On every device they have to sign in again; what is open there goes on for ten minutes at most.${this.#own(account)}`,
          confirm: "Sign out",
          run: () => this.#post(account, "sign-out", `${named(account.name)} is signed out everywhere.`),
        });
        break;
      case "password":
        this.#askPassword(account);
        break;
      case "erase":
        this.#askErase(account);
        break;
      case "remove-role":
        if (role !== undefined) {
          this.#askRole(account, role, room ?? "", false);
        }
        break;
      default:
    }
  }

  submit(what: string, form: HTMLFormElement, data: FormData, { account }: AccountSheet): void {
    const tell = (words: string): void => {
      const problem = form.querySelector(".problem");
      if (problem !== null) {
        problem.textContent = words;
      }
    };
    if (what === "credit") {
      const [written, note] = [field(data, "amount"), field(data, "note")];
      const wrong = checkCredit(written, note);
      tell(wrong === null ? "" : CREDIT_WORDS[wrong]);
      const amount = wholeOf(written);
      if (wrong === null && amount !== null) {
        this.#askCredit(account, amount, note, form);
      } else {
        form.querySelector<HTMLElement>(wrong === "no-note" || wrong === "long-note" ? "[name=note]" : "[name=amount]")?.focus();
      }
    } else if (what === "role") {
      const [role, room] = [field(data, "role").toLowerCase(), field(data, "room")];
      const wrong = !isRole(role) ? "A role is of a-z, 0-9 and -, such as moderator." : room !== "" && !isRoom(room) ? "This cannot be the name of a room." : "";
      tell(wrong);
      if (wrong === "") {
        this.#askRole(account, role, room, true, form);
      }
    }
  }

  #path(account: Account, ...rest: readonly string[]): string {
    return ["/api/admin/users", encodeURIComponent(account.id), ...rest].join("/");
  }

  /** What is done to oneself is said to be. */
  #own(account: Account): string {
    return account.id === this.#app.me.id ? " This is you: it takes effect on this page, too." : "";
  }

  async #post(account: Account, what: string, done: string): Promise<string> {
    await this.#app.call.do({ method: "POST", path: this.#path(account, what) });
    this.#after.changed();
    return done;
  }

  #askCredit(account: Account, amount: number, note: string, form: HTMLFormElement): void {
    const coins = sum(Math.abs(amount), "coin");
    const gives = amount > 0;
    this.#app.ask({
      title: gives ? `Credit ${coins} to ${named(account.name)}?` : `Take ${coins} back from ${named(account.name)}?`,
      text: `${coins} ${gives ? "to" : "from"} ${named(account.name)} (${account.login}): “${note}”. It is written to the audit log with your name; the ledger has a mark of it alone.`,
      confirm: gives ? `Credit ${coins}` : `Take back ${coins}`,
      danger: !gives,
      run: async () => {
        const { balance } = await this.#app.call.change({ method: "POST", path: this.#path(account, "credits"), body: { amount, note } }, parseCredit);
        form.reset();
        this.#after.changed();
        return `${coins} ${gives ? `credited to ${named(account.name)}` : `taken back from ${named(account.name)}`}. The balance is ${sum(balance, "coin")}.`;
      },
    });
  }

  #askRole(account: Account, role: string, room: string, gives: boolean, form?: HTMLFormElement): void {
    const where = room === "" ? "everywhere" : `in ${room}`;
    const power = role === "staff" && gives ? " Staff sees and changes everything on this page." : "";
    const own = role === "staff" && room === "" && !gives && account.id === this.#app.me.id ? " This is you: this page is closed to you then." : "";
    const query = room === "" ? "" : `?${new URLSearchParams({ room }).toString()}`;
    this.#app.ask({
      title: gives ? `Make ${named(account.name)} ${role} ${where}?` : `Take ${role} away from ${named(account.name)}?`,
      text: `${gives ? `${named(account.name)} (${account.login}) becomes ${role} ${where}.` : `${named(account.name)} (${account.login}) is no longer ${role} ${where}.`}${power}${own} It counts with their next token, within ten minutes.`,
      confirm: gives ? "Give the role" : "Take it away",
      danger: !gives,
      run: async () => {
        await this.#app.call.do({ method: gives ? "PUT" : "DELETE", path: `${this.#path(account, "roles", encodeURIComponent(role))}${query}` });
        form?.reset();
        this.#after.changed();
        return gives ? `${named(account.name)} is ${role} ${where}.` : `${named(account.name)} is no longer ${role} ${where}.`;
      },
    });
  }

  #askPassword(account: Account): void {
    this.#app.ask({
      title: `Set a password for ${named(account.name)}`,
      text: `The one they had no longer works, and all their sign-ins end. Tell them the new one, and to change it.${this.#own(account)}`,
      confirm: "Set the password",
      danger: true,
      fields: [labelled("New password", h("input", { type: "text", name: "password", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 256, dir: "ltr" }), "Eight characters at least. You see it, so that you can pass it on.")],
      check: (data) => {
        const wrong = checkPassword(String(data.get("password") ?? ""));
        return wrong === null ? null : wrong === "short" ? "Eight characters at least." : "This is too long.";
      },
      run: async (data) => {
        await this.#app.call.do({ method: "POST", path: this.#path(account, "password"), body: { password: String(data.get("password") ?? "") } });
        return `${named(account.name)} has a new password.`;
      },
    });
  }

  #askErase(account: Account): void {
    this.#app.ask({
      title: `Erase ${named(account.name)}?`,
      text: `The account goes, with name, login and password. What is in the ledger stays, without the person. This cannot be undone: export first what they may ask for.${this.#own(account)}`,
      confirm: "Erase for ever",
      danger: true,
      fields: [labelled(`Type ${account.login} to confirm`, h("input", { type: "text", name: "login", autocomplete: "off", autocapitalize: "none", spellcheck: "false", dir: "ltr" }))],
      check: (data) => (isConfirmed(field(data, "login"), account.login) ? null : `That is not ${account.login}.`),
      run: async () => {
        await this.#app.call.do({ method: "DELETE", path: this.#path(account) });
        this.#after.gone();
        return `${named(account.name)} (${account.login}) is erased.`;
      },
    });
  }
}

/** What a credit led to. */
function parseCredit(value: unknown): { readonly transfer: string; readonly balance: number } | null {
  const json = record(value);
  const balance = json?.["balance"];
  return typeof balance === "number" && Number.isSafeInteger(balance) ? { transfer: text(json?.["transfer"]), balance } : null;
}
