/** The dialog that asks guests what they are called. */

import { type Key, onLanguage, t } from "../i18n";
import { GuestError } from "../room/identity";
import type { Room } from "../room/room";
import { make, setText } from "../ui/dom";

/** As the origin has it. */
const NAME_CHARACTERS_MAX = 24;

export class NameDialog {
  readonly element = make("dialog", "dialog name-dialog");
  readonly #room: Room;
  readonly #title = make("h2", "");
  readonly #text = make("p", "muted");
  readonly #label = make("span", "");
  readonly #input = make("input", "");
  readonly #error = make("p", "field-error");
  readonly #join = make("button", "button");
  readonly #cancel = make("button", "button quiet");
  readonly #other = make("button", "text-button");
  readonly #others = make("p", "form-other", this.#other);
  /** What else one could do, if there is anything: sign in. */
  offer: { readonly key: Key; run(): void } | null = null;
  #then: (() => void) | null = null;

  constructor(room: Room) {
    this.#room = room;
    this.#title.id = "name-title";
    this.#error.id = "name-error";
    this.#error.setAttribute("role", "alert");
    this.element.setAttribute("aria-labelledby", "name-title");
    Object.assign(this.#input, { type: "text", autocomplete: "nickname", spellcheck: false, maxLength: NAME_CHARACTERS_MAX, required: true, dir: "auto", enterKeyHint: "go" });
    this.#input.setAttribute("aria-describedby", "name-error");
    this.#cancel.type = "button";
    this.#cancel.addEventListener("click", () => this.element.close());
    this.#other.type = "button";
    this.#other.addEventListener("click", () => {
      this.element.close();
      this.offer?.run();
    });
    this.#input.addEventListener("input", () => this.#fail(null));
    const form = make("form", "", this.#title, this.#text, make("label", "field", this.#label, this.#input), this.#error, make("p", "dialog-actions", this.#cancel, this.#join), this.#others);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.element.append(form);
    this.element.addEventListener("close", () => (this.#then = null));
    onLanguage(() => this.#words());
    this.#words();
  }

  /** Asks; `then` runs once there is a name. */
  ask(then: (() => void) | null): void {
    this.#then = then;
    this.#input.value = this.#room.identity.guest?.name ?? "";
    this.#fail(null);
    this.#words();
    this.element.showModal();
    this.#input.select();
  }

  #words(): void {
    setText(this.#title, t("name.title"));
    setText(this.#text, t("name.text"));
    setText(this.#label, t("name.label"));
    setText(this.#join, t("name.join"));
    setText(this.#cancel, t("page.cancel"));
    this.#others.hidden = this.offer === null;
    setText(this.#other, this.offer === null ? "" : t(this.offer.key));
  }

  #fail(code: string | null): void {
    const words = { "name-taken": t("name.taken"), "bad-name": t("name.bad"), "too-many": t("name.many") }[code ?? ""];
    setText(this.#error, code === null ? "" : (words ?? t("name.unavailable")));
    this.#input.setAttribute("aria-invalid", String(code !== null));
  }

  async #submit(): Promise<void> {
    const name = this.#input.value.trim();
    if (name === "" || this.#join.disabled) {
      return;
    }
    this.#join.disabled = true;
    try {
      await this.#room.join(name);
      const then = this.#then;
      this.element.close();
      then?.();
    } catch (error) {
      this.#fail(error instanceof GuestError ? error.code : "unavailable");
      this.#input.focus();
    } finally {
      this.#join.disabled = false;
    }
  }
}
