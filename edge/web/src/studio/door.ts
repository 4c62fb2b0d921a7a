/** Where the broadcaster signs in: a line that opens to a form. */

import type { Session, User } from "../account/session";
import { t } from "../i18n";
import { h } from "../ui/patch";

export function door(): Node[] {
  const field = (name: string, label: string, type: string, autocomplete: string): HTMLElement =>
    h("label", { class: "field" }, h("span", {}, label), h("input", { name, type, autocomplete, required: true, maxlength: 256, autocapitalize: "none", spellcheck: "false", dir: "ltr" }));
  return [
    h(
      "details",
      { class: "earn-door" },
      h("summary", {}, h("h2", { id: "earnings-title" }, t("earn.title")), " ", h("span", { class: "muted small" }, t("earn.signIn"))),
      h("p", { class: "muted small" }, t("earn.signInNote")),
      h(
        "form",
        { class: "door-form" },
        field("login", t("earn.login"), "text", "username"),
        field("password", t("earn.password"), "password", "current-password"),
        h("button", { type: "submit", class: "button" }, t("earn.signIn")),
      ),
    ),
  ];
}

/** Signs in with what the form has; null when that is under way. Rejects with a `Problem`. */
export async function enter(form: HTMLFormElement, session: Session): Promise<User | null> {
  const button = form.querySelector("button");
  if (button === null || button.disabled) {
    return null;
  }
  const data = new FormData(form);
  button.disabled = true;
  button.textContent = t("earn.signingIn");
  try {
    await session.signIn(String(data.get("login") ?? "").trim(), String(data.get("password") ?? ""));
  } finally {
    button.disabled = false;
    button.textContent = t("earn.signIn");
  }
  return session.user;
}
