/** Before the page: signing in, and what is said to those who are no staff. */

import { Problem, type Session } from "../account/session";
import { Refused, said } from "../lib/money/call";
import { h } from "../ui/patch";

export function gate(session: Session, restored: boolean): readonly Node[] {
  if (session.user !== null) {
    return [
      frame(
        "This page is for staff",
        h("p", {}, "You are signed in as ", h("bdi", {}, session.user.name), ", who is not staff. Somebody who is can give you the role, here or with weirctl."),
        h("p", { class: "gate-actions" }, h("a", { class: "button", href: "/" }, "To the streams"), h("button", { type: "button", class: "button quiet", "data-do": "sign-out" }, "Sign out")),
      ),
    ];
  }
  if (!restored) {
    return [h("p", { class: "muted loading", role: "status" }, "Loading…")];
  }
  if (session.accounts === "none") {
    return [frame("There are no accounts here", h("p", { class: "muted" }, "This server has none, so there is nothing to manage. The operator of the origin can switch them on."))];
  }
  const input = (name: string, label: string, type: string, autocomplete: string): HTMLElement =>
    h("label", { class: "field" }, h("span", {}, label), h("input", { name, type, autocomplete, required: true, maxlength: 256, autocapitalize: "none", spellcheck: "false", dir: "ltr" }));
  return [
    frame(
      "Staff",
      h(
        "form",
        { class: "gate-form", "data-form": "gate" },
        input("login", "Login", "text", "username"),
        input("password", "Password", "password", "current-password"),
        h("p", { class: "problem", role: "alert", "data-key": "problem" }),
        h("button", { type: "submit", class: "button" }, "Sign in"),
      ),
    ),
  ];
}

function frame(title: string, ...children: readonly Node[]): HTMLElement {
  return h("section", { class: "gate panel" }, h("h1", {}, title), ...children);
}

/** Signs in with what the form has. What follows comes with the session's change. */
export async function enter(form: HTMLFormElement, session: Session): Promise<void> {
  const button = form.querySelector("button");
  const problem = form.querySelector(".problem");
  if (button === null || problem === null || button.disabled) {
    return;
  }
  const data = new FormData(form);
  button.disabled = true;
  problem.textContent = "";
  try {
    await session.signIn(String(data.get("login") ?? "").trim(), String(data.get("password") ?? ""));
  } catch (error) {
    problem.textContent = error instanceof Problem ? said(new Refused(error.status, error.code, words(error), error.retryAfterMs)) : said(error);
    form.querySelector<HTMLInputElement>("[name=password]")?.focus();
  }
  button.disabled = false;
}

/** Why one is not signed in. */
export function words({ code, detail, status }: Problem): string {
  const known: Readonly<Record<string, string>> = {
    "wrong-credentials": "the login or the password is wrong",
    blocked: "this account is blocked",
    locked: "too many wrong passwords",
    unavailable: "the server cannot be reached",
    timeout: "the server did not answer in time",
  };
  return known[code] ?? (detail === "" ? `the server answered ${status}` : detail);
}
