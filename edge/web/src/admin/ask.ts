/** The question before a change: one dialog for all of them. It stays open until the change is done, and says why it is not. */

import { Refused } from "../lib/money/call";
import { byId, setText } from "../ui/dom";
import { patchChildren } from "../ui/patch";
import { told } from "./app";

export interface Question {
  readonly title: string;
  readonly text: string;
  readonly confirm: string;
  readonly danger?: boolean;
  readonly fields?: readonly Node[];
  /** What is wrong with what was entered; null is nothing. */
  check?(data: FormData): string | null;
  /** Does it. What it resolves with is said on the page. */
  run(data: FormData): Promise<string>;
}

export class Asker {
  readonly #dialog = byId("ask", HTMLDialogElement);
  readonly #form = byId("ask-form", HTMLFormElement);
  readonly #confirm = byId("ask-confirm", HTMLButtonElement);
  readonly #cancel = byId("ask-cancel", HTMLButtonElement);
  readonly #done: (text: string) => void;
  #question: Question | null = null;
  #busy = false;

  constructor(done: (text: string) => void) {
    this.#done = done;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#run();
    });
    this.#cancel.addEventListener("click", () => this.#dialog.close());
    // What is under way has to be seen to its end.
    this.#dialog.addEventListener("cancel", (event) => this.#busy && event.preventDefault());
  }

  ask(question: Question): void {
    if (this.#dialog.open) {
      return;
    }
    this.#question = question;
    setText(byId("ask-title", HTMLElement), question.title);
    setText(byId("ask-text", HTMLElement), question.text);
    setText(byId("ask-problem", HTMLElement), "");
    setText(this.#confirm, question.confirm);
    this.#confirm.classList.toggle("danger", question.danger === true);
    const fields = byId("ask-fields", HTMLElement);
    // Not patched: what was typed for another question is not for this one.
    patchChildren(fields, []);
    patchChildren(fields, question.fields ?? []);
    this.#dialog.showModal();
    (fields.querySelector<HTMLElement>("input, select, textarea") ?? (question.danger === true ? this.#cancel : this.#confirm)).focus();
  }

  /** Nobody is signed in any more. */
  close(): void {
    this.#dialog.close();
  }

  async #run(): Promise<void> {
    const question = this.#question;
    if (question === null || this.#busy) {
      return;
    }
    const data = new FormData(this.#form);
    const problem = byId("ask-problem", HTMLElement);
    const wrong = question.check?.(data) ?? null;
    setText(problem, wrong ?? "");
    if (wrong !== null) {
      byId("ask-fields", HTMLElement).querySelector<HTMLElement>("input, select, textarea")?.focus();
      return;
    }
    this.#show(true);
    try {
      const text = await question.run(data);
      this.#show(false);
      this.#dialog.close();
      this.#done(text);
    } catch (error) {
      this.#show(false);
      setText(problem, told(error));
      setText(this.#confirm, error instanceof Refused && error.isOpen ? "Try again" : question.confirm);
      this.#confirm.focus();
    }
  }

  #show(busy: boolean): void {
    this.#busy = busy;
    this.#confirm.disabled = busy;
    this.#cancel.disabled = busy;
    this.#form.setAttribute("aria-busy", String(busy));
  }
}
