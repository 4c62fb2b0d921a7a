/** Who is there: everybody by role and name, or the top of a crowd. */

import { compareNames, language, t } from "../i18n";
import type { Member } from "../room/protocol";
import type { Room } from "../room/room";
import { listed } from "../room/state";
import { make, setText } from "../ui/dom";
import { h, patchChildren } from "../ui/patch";
import { badgeElements, nameElement } from "./line";

/** More rows than this nobody reads. */
const ROWS_MAX = 200;

export class PeoplePanel {
  readonly element = make("div", "people");
  readonly #room: Room;
  readonly #summary = make("p", "muted small");
  readonly #list = make("ul", "people-list");
  #drawn: unknown = null;

  constructor(room: Room) {
    this.#room = room;
    this.element.append(this.#summary, this.#list);
  }

  update(): void {
    const { whole } = this.#room.state;
    if (whole === null) {
      return;
    }
    const n = whole.users;
    setText(this.#summary, t(whole.audience.type === "crowd" ? "people.crowd" : "people.everybody", { n }));
    // The list is another object when somebody comes or goes.
    const drawn = whole.audience;
    if (drawn === this.#drawn && this.element.lang === language()) {
      return;
    }
    this.#drawn = drawn;
    this.element.lang = language();
    const all = listed(whole.audience, compareNames);
    const named = all.filter((member) => member.name !== "");
    const rows = named.slice(0, ROWS_MAX).map((member) => this.#row(member));
    const listeners = all.length - named.length;
    if (listeners > 0 && rows.length > 0) {
      rows.push(h("li", { class: "muted", "data-key": "listeners" }, t("people.listeners", { n: listeners })));
    }
    patchChildren(this.#list, rows.length === 0 ? [h("li", { class: "muted" }, t("people.nobody"))] : rows);
  }

  #row({ id, name, roles }: Member): HTMLElement {
    const mine = id === this.#room.me ? h("span", { class: "muted" }, `(${t("people.you")})`) : null;
    return h("li", { "data-key": id }, ...badgeElements(roles), nameElement(id, name), mine);
  }
}
