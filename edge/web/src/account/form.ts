/**
 * A dialog with a form in it: one for signing in, changing a password and the like. The browser traps the focus and closes it
 * on Esc; what went wrong stands beside the field that it is about. Forms are real ones, so that password managers see them.
 */

import { onLanguage, t } from "../i18n";
import { make, setText } from "../ui/dom";
import { asProblem, type Problem } from "./problem";
import { problemWords } from "./words";

export interface FieldSpec {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly type?: "text" | "password" | "number";
  readonly autocomplete: string;
  readonly value?: string;
  readonly min?: number;
  readonly max?: number;
  /** For password managers alone: who it is about. */
  readonly silent?: boolean;
}

export type Values = Readonly<Record<string, string>>;

export interface FormSpec {
  /** Stays the same in every language, for password managers and tests. */
  readonly id: string;
  readonly title: string;
  readonly text?: string;
  readonly warning?: string;
  readonly fields: readonly FieldSpec[];
  readonly submit: string;
  readonly danger?: boolean;
  /** Something else that one may have come for. */
  readonly other?: { readonly label: string; readonly danger?: boolean; run(): void };
  /** Fields that the codes of problems are about. */
  readonly about?: Readonly<Record<string, string>>;
  /** Before the server is asked: the code of what is wrong. */
  check?(values: Values): string | null;
  run(values: Values): Promise<void>;
}

interface Drawn {
  readonly input: HTMLInputElement;
  readonly error: HTMLElement;
}

export class FormDialog {
  readonly element = make("dialog", "dialog form-dialog");
  readonly #onProblem: (problem: Problem) => void;
  #drawn = new Map<string, Drawn>();
  #spec: FormSpec | null = null;
  #opener: Element | null = null;
  #busy = false;

  constructor(onProblem: (problem: Problem) => void = () => undefined) {
    this.#onProblem = onProblem;
    this.element.setAttribute("aria-labelledby", "form-title");
    this.element.addEventListener("close", () => {
      this.element.replaceChildren();
      this.#spec = null;
      // What opened it may be gone: a menu closes before.
      if (document.activeElement === document.body && this.#opener instanceof HTMLElement) {
        this.#opener.focus();
      }
    });
    onLanguage(() => this.element.close());
    document.body.append(this.element);
  }

  open(spec: FormSpec): void {
    if (!this.element.open) {
      this.#opener = document.activeElement;
    }
    this.#spec = spec;
    this.#draw(spec);
    if (!this.element.open) {
      this.element.showModal();
    }
    this.element.querySelector<HTMLElement>("input:not(.visually-hidden), button[type=submit]")?.focus();
  }

  close(): void {
    this.element.close();
  }

  #draw(spec: FormSpec): void {
    this.#drawn = new Map();
    // What opened it says that there is more to come; here it is.
    const title = make("h2", "", spec.title.replace(/…$/, ""));
    title.id = "form-title";
    const form = make("form", "", title);
    form.id = `form-${spec.id}`;
    form.noValidate = true;
    form.method = "post";
    if (spec.text !== undefined) {
      form.append(make("p", "muted form-text", spec.text));
    }
    if (spec.warning !== undefined) {
      form.append(make("p", "form-warning", spec.warning));
    }
    for (const field of spec.fields) {
      form.append(this.#field(spec.id, field));
    }
    const error = make("p", "form-error");
    error.setAttribute("role", "alert");
    const submit = make("button", spec.danger === true ? "button danger" : "button", spec.submit);
    submit.type = "submit";
    const cancel = make("button", "button quiet", t("page.cancel"));
    cancel.type = "button";
    cancel.addEventListener("click", () => this.close());
    form.append(error, make("p", "dialog-actions", cancel, submit));
    const other = spec.other;
    if (other !== undefined) {
      const button = make("button", other.danger === true ? "text-button danger" : "text-button", other.label);
      button.type = "button";
      button.addEventListener("click", () => other.run());
      form.append(make("p", "form-other", button));
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit(form, submit, error);
    });
    this.element.replaceChildren(form);
  }

  #field(formId: string, field: FieldSpec): HTMLElement {
    const id = `${formId}-${field.name}`;
    const input = make("input", "");
    Object.assign(input, { id, name: field.name, type: field.type ?? "text", value: field.value ?? "", autocomplete: field.autocomplete, spellcheck: false, required: true });
    if (field.silent === true) {
      // A password belongs to somebody.
      input.className = "visually-hidden";
      Object.assign(input, { tabIndex: -1, readOnly: true });
      input.setAttribute("aria-hidden", "true");
      return input;
    }
    if (field.autocomplete === "username") {
      input.setAttribute("autocapitalize", "none");
      input.setAttribute("autocorrect", "off");
    } else if (field.type === undefined) {
      input.dir = "auto";
    }
    if (field.type === "number") {
      Object.assign(input, { inputMode: "numeric", min: String(field.min ?? ""), max: String(field.max ?? ""), step: "1" });
    }
    const error = make("p", "field-problem");
    error.id = `${id}-error`;
    const hint = make("p", "field-hint", field.hint ?? "");
    hint.id = `${id}-hint`;
    input.setAttribute("aria-describedby", `${error.id} ${hint.id}`);
    input.addEventListener("input", () => say(input, error, ""));
    this.#drawn.set(field.name, { input, error });
    const label = make("label", "", field.label);
    label.htmlFor = id;
    const row = make("div", "field-row", input);
    if (field.type === "password") {
      row.append(reveal(input));
    }
    return make("div", "field", label, row, error, ...(field.hint === undefined ? [] : [hint]));
  }

  async #submit(form: HTMLFormElement, submit: HTMLButtonElement, error: HTMLElement): Promise<void> {
    const spec = this.#spec;
    if (spec === null || this.#busy) {
      return;
    }
    setText(error, "");
    const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    const empty = [...this.#drawn].find(([name]) => (values[name] ?? "").trim() === "");
    if (empty !== undefined) {
      this.#fail(empty[0], t("problem.empty"), error);
      return;
    }
    const wrong = spec.check?.(values) ?? null;
    if (wrong !== null) {
      this.#fail(spec.about?.[wrong] ?? "", problemWords(asCode(wrong)), error);
      return;
    }
    this.#busy = true;
    submit.setAttribute("aria-disabled", "true");
    form.classList.add("busy");
    try {
      await spec.run(values);
      if (this.#spec === spec) {
        this.close();
      }
    } catch (thrown) {
      const problem = asProblem(thrown);
      if (this.#spec === spec) {
        this.#fail(spec.about?.[problem.code] ?? "", problemWords(problem), error);
      }
      this.#onProblem(problem);
    } finally {
      this.#busy = false;
      submit.removeAttribute("aria-disabled");
      form.classList.remove("busy");
    }
  }

  /** Beside its field; below all of them where it is about none. */
  #fail(name: string, words: string, general: HTMLElement): void {
    const field = this.#drawn.get(name);
    if (field === undefined) {
      setText(general, words);
    } else {
      say(field.input, field.error, words);
      field.input.focus();
    }
  }
}

function asCode(code: string): Problem {
  return Object.assign(asProblem(null), { code });
}

function say(input: HTMLInputElement, error: HTMLElement, words: string): void {
  setText(error, words);
  input.setAttribute("aria-invalid", String(words !== ""));
}

function reveal(input: HTMLInputElement): HTMLElement {
  const button = make("button", "text-button reveal", t("form.show"));
  button.type = "button";
  button.setAttribute("aria-controls", input.id);
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    setText(button, t(shown ? "form.hide" : "form.show"));
    input.focus();
  });
  return button;
}
