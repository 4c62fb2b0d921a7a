/** `GET /admin`: the staff's page. Users, gifts, the catalogue, reports and the ledger; nothing of it before staff has signed in. */

import { type App, partsOf, type Tab, type Tone } from "./admin/app";
import { Asker, type Question } from "./admin/ask";
import { Catalogue } from "./admin/catalogue";
import { enter, gate } from "./admin/gate";
import { Gifts } from "./admin/gifts";
import { Ledger } from "./admin/ledger";
import { Reports } from "./admin/reports";
import { Users } from "./admin/users";
import { session } from "./account/session";
import { Caller } from "./lib/money/call";
import { byId } from "./ui/dom";
import { h, patchChildren } from "./ui/patch";

const POLL_MS = 20_000;
/** How long a good result stays. A bad one stays until the next. */
const OUTCOME_MS = 8000;

/** Where a sheet takes the place of the list; as in admin-sheets.css. */
const NARROW = "(max-width: 999px)";

const main = byId("main", HTMLElement);
const outcome = byId("outcome", HTMLElement);
let outcomeTimer: number | undefined;
/** Whose page this is; null before somebody of the staff has signed in. */
let desk: { app: App; tabs: readonly Tab[] } | null = null;
let restored = false;
let drawn = false;
let shownTab: string | undefined;
let shownWidths = "";
/** The address is another one than what is drawn. */
let moved = false;
/** How far the list was scrolled when a sheet took its place. */
let listTop = 0;

function say(tone: Tone, text: string): void {
  window.clearTimeout(outcomeTimer);
  const close = h("button", { type: "button", class: "text-button", "data-do": "close-outcome" }, "Close");
  patchChildren(outcome, text === "" ? [] : [h("p", { class: `outcome-line ${tone}` }, h("span", {}, text), tone === "busy" ? null : close)]);
  if (tone === "good") {
    outcomeTimer = window.setTimeout(() => say("good", ""), OUTCOME_MS);
  }
}

const asker = new Asker((text) => say("good", text));

function current(): Tab | null {
  const [name] = partsOf(location.hash);
  return desk === null ? null : (desk.tabs.find((tab) => tab.name === name) ?? desk.tabs[0] ?? null);
}

/** Several changes of one moment are drawn once. */
function redraw(): void {
  if (!drawn) {
    drawn = true;
    window.requestAnimationFrame(draw);
  }
}

function draw(): void {
  drawn = false;
  const tab = current();
  const tabs = desk?.tabs ?? [];
  const links = tabs.map(({ name, title, waiting }) =>
    h("a", { href: `#${name}`, "data-key": name, "aria-current": tab?.name === name ? "page" : null }, title, waiting === 0 ? null : h("span", { class: "count", "aria-label": `, ${waiting} waiting` }, String(waiting))),
  );
  patchChildren(byId("tabs", HTMLElement), links);
  const { user } = session;
  const signOut = h("button", { type: "button", class: "text-button", "data-do": "sign-out" }, "Sign out");
  patchChildren(byId("who", HTMLElement), user === null ? [] : [h("bdi", {}, user.name), signOut]);
  document.title = tab === null ? "Staff · Weir" : `${tab.title} · Staff · Weir`;
  document.body.classList.toggle("gated", tab === null);
  const view = tab === null ? gate(session, restored) : tab.view();
  const isOther = tab?.name !== shownTab;
  const widths = tabs.map(({ waiting }) => String(waiting).length * Math.sign(waiting)).join();
  if (isOther || widths !== shownWidths) {
    shownTab = tab?.name;
    shownWidths = widths;
    // On a phone there is no room for all of them, and a number makes one wider.
    byId("tabs", HTMLElement).querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  patchChildren(main, [h("div", { "data-key": tab?.name ?? "gate", class: "view" }, ...view)]);
  if (moved) {
    moved = false;
    arrived(isOther);
  }
}

/** Where the reader is after another address: at the sheet that has opened, and back in the list where they were. */
function arrived(isOther: boolean): void {
  const sheet = main.querySelector<HTMLElement>(".split-sheet");
  (sheet ?? main).focus({ preventScroll: true });
  if (isOther || (sheet !== null && window.matchMedia(NARROW).matches)) {
    window.scrollTo(0, 0);
  } else if (sheet === null) {
    window.scrollTo(0, listTop);
  }
}

/** Who is signed in has changed. */
function arrive(): void {
  const { user } = session;
  if (user === null || !user.roles.includes("staff")) {
    desk = null;
    asker.close();
  } else if (desk?.app.me.id !== user.id) {
    const call = new Caller((path, init) => session.fetch(path, init));
    const app: App = { call, me: user, redraw, say, ask: (question: Question) => asker.ask(question) };
    desk = { app, tabs: [new Users(app), new Gifts(app), new Catalogue(app), new Reports(app), new Ledger(app)] };
    go();
    // What waits for somebody is told whatever is shown.
    desk.tabs.filter((tab) => tab !== current()).forEach((tab) => ["gifts", "reports"].includes(tab.name) && tab.refresh());
  }
  redraw();
}

function go(): void {
  current()?.open(partsOf(location.hash).slice(1));
  redraw();
}

async function signOut(): Promise<void> {
  try {
    await session.signOut();
    say("good", "");
  } catch {
    say("bad", "Not signed out: the server cannot be reached.");
  }
}

document.addEventListener("click", (event) => {
  const pressed = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-do]") : null;
  const what = pressed?.dataset["do"];
  if (pressed === null || what === undefined) {
    return;
  }
  if (what === "sign-out") {
    void signOut();
  } else if (what === "close-outcome") {
    say("good", "");
  } else if (what === "refresh") {
    current()?.refresh();
  } else {
    current()?.press?.(what, pressed.dataset, pressed);
  }
});
main.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  if (!(form instanceof HTMLFormElement)) {
    return;
  }
  if (form.dataset["form"] === "gate") {
    void enter(form, session);
  } else {
    current()?.submit?.(form.dataset["form"] ?? "", form, new FormData(form));
  }
});
// A choice in a filter is a wish to see it at once.
main.addEventListener("change", (event) => {
  if (event.target instanceof HTMLSelectElement) {
    event.target.form?.requestSubmit();
  }
});
window.addEventListener("hashchange", () => {
  moved = true;
  listTop = main.querySelector(".split-sheet") === null ? window.scrollY : listTop;
  go();
});
// Addresses are those of the tabs.
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
session.onChange(arrive);
window.setInterval(() => {
  if (document.visibilityState === "visible") {
    desk?.tabs.forEach((tab) => ["gifts", "reports"].includes(tab.name) && tab.refresh());
  }
}, POLL_MS);
redraw();
void session.restore().then(() => {
  restored = true;
  arrive();
});
