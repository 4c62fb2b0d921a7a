/** The tab of reports: what waits for a decision in the open rooms. */

import { Loaded } from "../lib/money/loaded";
import { parseReports } from "../lib/money/parse";
import { named, shortId } from "../lib/money/words";
import type { Report } from "../lib/money/types";
import { h } from "../ui/patch";
import { type App, carryOut, hash, type Tab } from "./app";
import { badge, button, name, waitingFor } from "./parts";

export class Reports implements Tab {
  readonly name = "reports";
  readonly title = "Reports";
  readonly #app: App;
  readonly #reports = new Loaded<readonly Report[]>();
  readonly #busy = new Set<string>();

  constructor(app: App) {
    this.#app = app;
  }

  get waiting(): number {
    return this.#reports.value?.length ?? 0;
  }

  open(): void {
    this.refresh();
  }

  refresh(): void {
    void this.#reports.load(() => this.#app.call.get("/api/admin/reports", parseReports), () => this.#app.redraw());
  }

  view(): readonly (Node | null)[] {
    const reports = this.#reports.value ?? [];
    const rooms = [...new Set(reports.map(({ room }) => room))].sort();
    return [
      h("div", { class: "heading" }, h("h1", {}, "Reports"), button("Refresh", "refresh")),
      h("p", { class: "muted lead" }, "What filters held and viewers reported, in the rooms that are open now. Who may write is decided in the studio of a room."),
      waitingFor(this.#reports, this.#reports.value !== null),
      this.#reports.value !== null && reports.length === 0 ? h("p", { class: "empty muted" }, "Nothing waits for you.") : null,
      ...rooms.map((room) =>
        h(
          "section",
          { class: "panel", "data-key": room, "aria-label": `Reports of ${room}` },
          h("h2", { class: "room-head" }, h("a", { href: `/studio/${encodeURIComponent(room)}` }, room)),
          h("ul", { class: "rows" }, ...reports.filter((report) => report.room === room).map((report) => this.#row(report))),
        ),
      ),
    ];
  }

  press(what: string, { id, room }: DOMStringMap): void {
    const report = (this.#reports.value ?? []).find((known) => known.id === id && known.room === room);
    if (report === undefined || (what !== "approve" && what !== "dismiss") || this.#busy.has(keyOf(report))) {
      return;
    }
    void this.#decide(report, what);
  }

  async #decide(report: Report, what: "approve" | "dismiss"): Promise<void> {
    const { kind, room, id, author } = report;
    const done = kind === "report" ? `Closed. The message of ${named(author.name)} stays.` : what === "approve" ? `Approved: the room sees the message of ${named(author.name)}.` : `Dismissed: nobody sees the message of ${named(author.name)}.`;
    this.#busy.add(keyOf(report));
    this.#app.redraw();
    await carryOut(this.#app, "Deciding…", async () => {
      await this.#app.call.do({ method: "POST", path: `/api/admin/reports/${encodeURIComponent(room)}/${encodeURIComponent(id)}/${what}` });
      return done;
    });
    this.#busy.delete(keyOf(report));
    this.refresh();
  }

  #row(report: Report): HTMLElement {
    const { kind, author, text, reason, by, room, id } = report;
    const data = { "data-id": id, "data-room": room, disabled: this.#busy.has(keyOf(report)) };
    const who = author.id === "" ? "somebody" : author.name;
    return h(
      "li",
      { class: "row report", "data-key": keyOf(report) },
      h(
        "span",
        { class: "row-main" },
        h("span", {}, h("b", {}, author.id.startsWith("u-") ? h("a", { href: hash("users", author.id) }, name(who)) : name(who)), " "),
        h("span", { class: "said", dir: "auto" }, text),
        h(
          "small",
          { class: "muted" },
          badge(kind === "held" ? "held" : "reported", kind === "held" ? "warn" : "accent"),
          reason === "" ? null : h("span", {}, " ", name(reason)),
          by === "" ? null : h("span", {}, ", by ", by.startsWith("u-") ? h("a", { href: hash("users", by) }, shortId(by)) : name(by)),
        ),
      ),
      h(
        "span",
        { class: "row-side" },
        // Who closes a report leaves the message where it is; to delete it is the studio's.
        kind === "held"
          ? h("span", { class: "actions" }, button("Approve", "approve", { ...data, class: "good" }), button("Dismiss", "dismiss", { ...data, class: "danger" }))
          : h("span", { class: "actions" }, button("Keep it", "approve", data), h("a", { class: "button quiet small", href: `/studio/${encodeURIComponent(room)}` }, "To the studio")),
      ),
    );
  }
}

function keyOf({ room, id }: Report): string {
  return `${room}/${id}`;
}
