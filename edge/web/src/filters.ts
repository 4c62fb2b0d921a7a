/** `/filters` on the edge's admin listener: what filters run here, how they do, and changing that. */

import { post } from "./filters/api";
import { type Action, ask, type Change } from "./filters/ask";
import { Model } from "./filters/model";
import { draw } from "./filters/page";
import { recallToken, rememberToken, type TokenKind } from "./filters/tokens";
import { byId } from "./ui/dom";

const POLL_MS = 2000;
/** How near to its end a log has to be scrolled to be followed, in pixels. */
const END_PX = 24;
const NOTES: Readonly<Record<TokenKind | "asked", string>> = {
  asked: "They are kept in this tab until it closes, and sent only to this edge.",
  registry: "This change needs a token of the registry with the role operator.",
  edge: "This change needs the admin.token of this edge.",
};

const model = new Model();
const main = byId("main", HTMLElement);
const tokens = byId("tokens", HTMLDialogElement);
/** Logs that the reader scrolled away from the end. */
const unfollowed = new Set<string>();
/** What waits for a token. */
let waiting: (() => void) | null = null;
let timer: number | undefined;
let refreshing = false;
let opensFirst = true;

function redraw(): void {
  draw({ model, nowMs: Date.now(), follows: (filter) => !unfollowed.has(filter) });
  for (const log of main.querySelectorAll<HTMLElement>("[data-log]")) {
    if (!unfollowed.has(log.dataset["log"] ?? "")) {
      log.scrollTop = log.scrollHeight;
    }
  }
}

async function refresh(): Promise<void> {
  if (refreshing) {
    return;
  }
  refreshing = true;
  window.clearTimeout(timer);
  await model.refresh();
  const opened = openOnce();
  if (opened !== null) {
    // Its log was not asked for yet.
    await model.refresh();
  }
  redraw();
  if (opened !== null) {
    document.getElementById(`filter-${opened}`)?.scrollIntoView();
  }
  refreshing = false;
  if (document.visibilityState === "visible") {
    timer = window.setTimeout(() => void refresh(), POLL_MS);
  }
}

/** The first time that there is something: opens what the address names, or the only one there is. Says which. */
function openOnce(): string | null {
  const { views } = model;
  if (!opensFirst || views.length === 0) {
    return null;
  }
  opensFirst = false;
  const named = views.find((view) => `#filter-${view.name}` === location.hash) ?? (views.length === 1 ? views[0] : undefined);
  if (named === undefined) {
    return null;
  }
  model.opened.add(named.name);
  return named.name;
}

async function carryOut(filter: string, change: Change): Promise<void> {
  const token = recallToken(change.token);
  if (change.path === "") {
    return;
  }
  if (token === null) {
    askTokens(change.token, () => void carryOut(filter, change));
    return;
  }
  model.outcomes.set(filter, { tone: "busy", text: change.doing });
  redraw();
  try {
    const answer = await post(change.path, change.body, token);
    const unchanged = typeof answer === "object" && answer !== null && "changed" in answer && answer.changed === false;
    model.outcomes.set(filter, { tone: "good", text: unchanged ? "It was so already." : change.done });
  } catch (error) {
    model.outcomes.set(filter, { tone: "bad", text: `Not done: ${error instanceof Error ? error.message : String(error)}` });
  }
  redraw();
  void refresh();
}

function askTokens(why: TokenKind | "asked", then: (() => void) | null): void {
  if (tokens.open) {
    return;
  }
  waiting = then;
  byId("tokens-note", HTMLElement).textContent = NOTES[why];
  for (const kind of ["registry", "edge"] as const) {
    byId(`token-${kind}`, HTMLInputElement).value = recallToken(kind) ?? "";
  }
  tokens.showModal();
  byId(why === "edge" ? "token-edge" : "token-registry", HTMLInputElement).focus();
}

byId("tokens-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  for (const kind of ["registry", "edge"] as const) {
    rememberToken(kind, byId(`token-${kind}`, HTMLInputElement).value.trim());
  }
  const then = waiting;
  tokens.close();
  model.forgetRegistry();
  then?.();
  void refresh();
});
tokens.addEventListener("close", () => {
  // The event comes late: the dialog may be open again, for something else.
  if (!tokens.open) {
    waiting = null;
  }
});
byId("tokens-open", HTMLButtonElement).addEventListener("click", () => askTokens("asked", null));
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  const { action, filter, version } = button?.dataset ?? {};
  if (button?.dataset["close"] !== undefined) {
    button.closest("dialog")?.close();
  } else if (action === "tokens") {
    askTokens("asked", null);
  } else if (action !== undefined && filter !== undefined) {
    const view = model.views.find(({ name }) => name === filter);
    if (view === undefined) {
      return;
    }
    if (action !== "rollback-here" && recallToken("registry") === null) {
      askTokens("registry", null);
      return;
    }
    ask(action as Action, view, version ?? null, model.overview?.generation ?? null, (change) => void carryOut(filter, change));
  }
});

// `toggle` and `scroll` do not bubble.
main.addEventListener("toggle", (event) => {
  const { target } = event;
  const filter = target instanceof HTMLDetailsElement ? target.dataset["filter"] : undefined;
  if (!(target instanceof HTMLDetailsElement) || filter === undefined || target.open === model.opened.has(filter)) {
    return;
  }
  if (target.open) {
    model.opened.add(filter);
    history.replaceState(null, "", `#filter-${filter}`);
    void refresh();
  } else {
    model.opened.delete(filter);
  }
  redraw();
}, true);
main.addEventListener("scroll", (event) => {
  const { target } = event;
  const filter = target instanceof HTMLElement ? target.dataset["log"] : undefined;
  if (target instanceof HTMLElement && filter !== undefined) {
    follow(filter, target.scrollHeight - target.scrollTop - target.clientHeight <= END_PX);
  }
}, true);
main.addEventListener("change", (event) => {
  const { target } = event;
  const filter = target instanceof HTMLInputElement ? target.dataset["follow"] : undefined;
  if (target instanceof HTMLInputElement && filter !== undefined) {
    follow(filter, target.checked);
    redraw();
  }
});

function follow(filter: string, follows: boolean): void {
  if (follows) {
    unfollowed.delete(filter);
  } else {
    unfollowed.add(filter);
  }
  const box = document.getElementById(`follow-${filter}`);
  if (box instanceof HTMLInputElement) {
    box.checked = follows;
  }
}

window.addEventListener("online", () => void refresh());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") {
    void refresh();
  } else {
    window.clearTimeout(timer);
  }
});
model.forgetRegistry();
void refresh();
