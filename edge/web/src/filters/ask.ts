/** Questions before anything is changed: one dialog for all of them, filled anew each time. */

import type { FilterView, VersionView } from "../lib/filters/merge";
import { byId, setText } from "../ui/dom";
import { h, patchChildren } from "../ui/patch";
import type { TokenKind } from "./tokens";

const BAKE_SECONDS_DEFAULT = 60;
/** The registry takes no more: a day. */
const BAKE_SECONDS_MAX = 86_400;
const REASON_CHARACTERS_MAX = 500;

export type Action = "activate" | "shadow" | "rollback" | "rollback-here" | "enabled";

/** What is to be done, once it is confirmed. */
export interface Change {
  readonly path: string;
  readonly body: object;
  readonly token: TokenKind;
  readonly doing: string;
  readonly done: string;
}

interface Question {
  readonly title: string;
  readonly text: string;
  readonly confirm: string;
  readonly fields: readonly Node[];
  readonly change: (form: FormData) => Change;
}

const dialog = byId("ask", HTMLDialogElement);
const form = byId("ask-form", HTMLFormElement);
let pending: { question: Question; then: (change: Change) => void } | null = null;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const asked = pending;
  const data = new FormData(form);
  dialog.close();
  if (asked !== null) {
    asked.then(asked.question.change(data));
  }
});
dialog.addEventListener("close", () => {
  // The event comes late: the dialog may be open again, with another question.
  if (!dialog.open) {
    pending = null;
  }
});

/** Opens the dialog; `then` runs only when it is confirmed. */
export function ask(action: Action, view: FilterView, versionId: string | null, generation: number | null, then: (change: Change) => void): void {
  const question = questionOf(action, view, versionId, generation);
  if (question === null || dialog.open) {
    return;
  }
  pending = { question, then };
  setText(byId("ask-title", HTMLElement), question.title);
  setText(byId("ask-text", HTMLElement), question.text);
  setText(byId("ask-confirm", HTMLElement), question.confirm);
  patchChildren(byId("ask-fields", HTMLElement), []);
  patchChildren(byId("ask-fields", HTMLElement), question.fields);
  dialog.showModal();
}

function questionOf(action: Action, view: FilterView, versionId: string | null, generation: number | null): Question | null {
  switch (action) {
    case "activate":
      return activation(view, versionId, guard(generation));
    case "shadow":
      return shadowing(view, guard(generation));
    case "rollback":
    case "rollback-here":
      return rollback(view, action === "rollback-here", guard(generation));
    case "enabled":
      return enabling(view, guard(generation));
  }
}

/** Somebody else may change the filter while this operator reads the question: the registry then refuses. */
function guard(generation: number | null): object {
  return generation === null ? {} : { if_generation: generation };
}

function pathOf(view: FilterView, what: string): string {
  return `/v1/filters/${encodeURIComponent(view.name)}/${what}`;
}

function activation(view: FilterView, versionId: string | null, guarded: object): Question | null {
  const { active } = view.wanted ?? view;
  const choices = view.versions.filter((version) => version.registered !== null);
  const chosen = choices.find((version) => version.id === versionId) ?? choices.find((version) => version.id !== active?.id) ?? choices[0];
  if (chosen === undefined) {
    return null;
  }
  const everybody = h("label", { class: "check" }, h("input", { type: "radio", name: "whom", value: "all", checked: true }), "for everybody");
  const some = h("input", { type: "number", name: "percent", min: 1, max: 99, value: 5, "aria-label": "Share in percent", disabled: active === null });
  const canary = h("label", { class: "check" }, h("input", { type: "radio", name: "whom", value: "some", disabled: active === null }), "for a share of");
  some.addEventListener("focus", () => canary.querySelector("input")?.click());
  return {
    title: `Activate a version of ${view.name}`,
    text: active === null ? "Nothing is active yet." : `${active.name} is active now; it stays ready to go back to.`,
    confirm: "Activate",
    fields: [
      versionField(choices, chosen),
      h("fieldset", { class: "field" }, h("legend", {}, "Who gets it"), everybody, h("span", { class: "check-row" }, canary, some, "%")),
      h(
        "label",
        { class: "field" },
        h("span", {}, "Judge it for"),
        h("span", { class: "check-row" }, h("input", { type: "number", name: "bake", min: 0, max: BAKE_SECONDS_MAX, value: BAKE_SECONDS_DEFAULT, required: true }), "seconds"),
        h("small", { class: "muted" }, "A node that sees it fail more, or take longer, than the version before goes back by itself. 0: not judged."),
      ),
    ],
    change: (data) => {
      const version = choices.find((choice) => choice.id === data.get("version")) ?? chosen;
      const percent = data.get("whom") === "some" ? Number(data.get("percent")) : 100;
      const whom = percent === 100 ? "" : ` for ${percent} %`;
      return {
        path: pathOf(view, "activate"),
        body: { version: version.id, percent, bake_ms: Math.round(Number(data.get("bake")) * 1000), ...guarded },
        token: "registry",
        doing: `Activating ${version.name}${whom}…`,
        done: `${version.name} is activated${whom}.`,
      };
    },
  };
}

function shadowing(view: FilterView, guarded: object): Question | null {
  const { active, shadow } = view.wanted ?? view;
  if (shadow !== null) {
    const { name } = shadow;
    return {
      title: `End the shadow of ${view.name}?`,
      text: `${name} is no longer called. Its differences are forgotten.`,
      confirm: "End shadow",
      fields: [],
      change: () => ({ path: pathOf(view, "shadow"), body: { version: null, ...guarded }, token: "registry", doing: "Ending the shadow…", done: `${name} is no longer the shadow.` }),
    };
  }
  const choices = view.versions.filter((version) => version.registered !== null && version.id !== active?.id);
  const [newest] = choices;
  if (newest === undefined) {
    return {
      title: `No version of ${view.name} to try`,
      text: "A shadow is a version that is not active. Push one first: weirctl filter push --shadow",
      confirm: "Close",
      fields: [],
      change: () => ({ path: "", body: {}, token: "registry", doing: "", done: "" }),
    };
  }
  return {
    title: `Try a version of ${view.name} as shadow`,
    text: "It is called with what the active version is called with, and what it says is compared, not used.",
    confirm: "Begin",
    fields: [versionField(choices, newest)],
    change: (data) => {
      const version = choices.find((choice) => choice.id === data.get("version")) ?? newest;
      return { path: pathOf(view, "shadow"), body: { version: version.id, ...guarded }, token: "registry", doing: `Making ${version.name} the shadow…`, done: `${version.name} is the shadow.` };
    },
  };
}

function rollback(view: FilterView, here: boolean, guarded: object): Question | null {
  // Everywhere is what the registry goes back from and to; this node may have gone back before.
  const { canary, active, previous } = here ? view : (view.wanted ?? view);
  if (canary === null && previous === null) {
    return null;
  }
  const left = canary?.name ?? active?.name ?? "nothing";
  const back = (canary === null ? previous?.name : active?.name) ?? "nothing";
  const where = here ? "on this node only" : "everywhere";
  const what = canary === null ? `${back} takes the place of ${left} ${where}, within two seconds.` : `The canary ${left} ends ${where}; ${back} serves everybody.`;
  const later = here ? " It stays so until somebody activates a version. The registry hears of it when it is back, and makes it the rule for all nodes." : "";
  return {
    title: here ? `Roll ${view.name} back on this node only?` : `Roll ${view.name} back?`,
    text: what + later,
    confirm: `Roll back to ${back}`,
    fields: [
      h("label", { class: "field" }, h("span", {}, "Reason, for the audit log"), h("input", { type: "text", name: "reason", maxlength: REASON_CHARACTERS_MAX, autocomplete: "off" })),
    ],
    change: (data) => {
      const reason = String(data.get("reason") ?? "").trim();
      const said = reason === "" ? {} : { reason };
      const path = here ? `/v1/node/filters/${encodeURIComponent(view.name)}/rollback` : pathOf(view, "rollback");
      return {
        path,
        body: here ? said : { ...said, ...guarded },
        token: here ? "edge" : "registry",
        doing: `Rolling back to ${back}…`,
        done: `Rolled back to ${back}${here ? " on this node" : ""}.`,
      };
    },
  };
}

function enabling(view: FilterView, guarded: object): Question {
  const on = !(view.wanted ?? view).enabled;
  const risk = view.hooks.includes("auth") ? " With no auth filter left, nobody is let in where auth = \"filters\"." : "";
  return {
    title: on ? `Switch ${view.name} on?` : `Switch ${view.name} off?`,
    text: on ? "It is called again on every node." : `It is left out on every node until it is switched on again.${risk}`,
    confirm: on ? "Switch on" : "Switch off",
    fields: [],
    change: () => ({
      path: pathOf(view, "enabled"),
      body: { enabled: on, ...guarded },
      token: "registry",
      doing: on ? "Switching on…" : "Switching off…",
      done: on ? "Switched on." : "Switched off.",
    }),
  };
}

function versionField(choices: readonly VersionView[], chosen: VersionView): HTMLElement {
  const options = choices.map((version) => {
    const roles = version.roles.length === 0 ? "" : `, ${version.roles.join(", ")}`;
    return h("option", { value: version.id, selected: version === chosen }, `${version.name} · ${version.label}${roles}`);
  });
  return h("label", { class: "field" }, h("span", {}, "Version"), h("select", { name: "version" }, ...options));
}
