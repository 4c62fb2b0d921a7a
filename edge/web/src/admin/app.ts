/** What the tabs of the staff's page have in common: whom they ask, how they are shown, and what is said of a change. */

import type { User } from "../account/session";
import { Refused, said, type Caller } from "../lib/money/call";
import type { Question } from "./ask";

export type Tone = "good" | "bad" | "busy";

export interface App {
  readonly call: Caller;
  /** Who is signed in: staff. */
  readonly me: User;
  redraw(): void;
  ask(question: Question): void;
  /** The result of a change. */
  say(tone: Tone, text: string): void;
}

export interface Tab {
  /** As in the address: `users`. */
  readonly name: string;
  readonly title: string;
  /** How much waits for somebody; 0 is nothing. */
  readonly waiting: number;
  /** It is shown from now on; `rest` is what follows its name in the address, `[]` or an id. */
  open(rest: readonly string[]): void;
  /** What may have changed meanwhile is asked for again. */
  refresh(): void;
  view(): readonly (Node | null)[];
  /** A button of the view with `data-do`. */
  press?(what: string, data: DOMStringMap, button: HTMLElement): void;
  /** A form of the view with `data-form`. */
  submit?(what: string, form: HTMLFormElement, data: FormData): void;
}

/** Carries a change out without a question before it, and says what came of it. */
export async function carryOut(app: App, doing: string, run: () => Promise<string>): Promise<boolean> {
  app.say("busy", doing);
  try {
    app.say("good", await run());
    return true;
  } catch (error) {
    app.say("bad", `Not done. ${told(error)}`);
    return false;
  }
}

/** What went wrong; where nobody knows whether it was done, that too. */
export function told(error: unknown): string {
  const isOpen = error instanceof Refused && error.isOpen;
  return isOpen ? `${said(error)} It may have been done all the same; trying again does not do it twice.` : said(error);
}

/** A field of a form, as text without white space around it. */
export function field(data: FormData, name: string): string {
  const value = data.get(name);
  return typeof value === "string" ? value.trim() : "";
}

/** The address of something on this page. */
export function hash(...parts: readonly string[]): string {
  return `#${parts.map(encodeURIComponent).join("/")}`;
}

/** What an address names. Pure. */
export function partsOf(address: string): readonly string[] {
  return address
    .replace(/^#/, "")
    .split("/")
    .filter((part) => part !== "")
    .map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    });
}
