/** One line of the chat as an element. Whatever people wrote goes in as text, isolated for its direction. */

import { formatList, isolated, t } from "../i18n";
import { EMOJI_DEFAULT } from "../room/gift";
import type { Gifts } from "../room/gift-lines";
import type { Message } from "../room/protocol";
import { colourOf, otherHost, pieces } from "../room/text";
import type { Line, Moves, Pending } from "../room/timeline";
import { icon, make } from "../ui/dom";
import { actPhrase, badgesOf, reasonOf } from "./words";

export const COLOURS = 12;
/** Names in a line about who came and went. */
const NAMES_SHOWN = 3;
const QUOTE_CHARACTERS_MAX = 90;
export const NAME_CHARACTERS_MAX = 24;

/** What a line has to know of the room around it. */
export interface Surroundings {
  readonly me: string;
  /** What one is called: to highlight mentions. */
  readonly names: readonly string[];
  messageOf(id: string): Message | null;
  nameOf(userId: string): string;
}

export function nameElement(id: string, name: string): HTMLElement {
  const element = make("bdi", `name hue-${colourOf(id, COLOURS)}`, name);
  element.dir = "auto";
  return element;
}

export function badgeElements(roles: readonly string[]): readonly HTMLElement[] {
  return badgesOf(roles).map((role) => {
    const badge = make("span", `role role-${role}`, icon(`role-${role}`), make("span", "visually-hidden", t(`role.${role}`)));
    badge.title = t(`role.${role}`);
    return badge;
  });
}

/** Text with its links and mentions. */
export function textElement(text: string, names: readonly string[]): HTMLElement {
  const element = make("bdi", "text");
  element.dir = "auto";
  for (const piece of pieces(text, names)) {
    if (piece.type === "link") {
      const link = make("a", "", piece.text);
      link.href = piece.href;
      link.rel = "noopener nofollow ugc";
      link.target = "_blank";
      // An address is read from left to right, whatever stands around it.
      const apart = make("bdi", "", link);
      apart.dir = "ltr";
      const host = otherHost(piece);
      if (host !== "") {
        apart.append(make("span", "link-host", ` (${host})`));
      }
      element.append(apart);
    } else if (piece.type === "mention") {
      element.append(make("span", piece.me ? "mention me" : "mention", piece.text));
    } else {
      element.append(piece.text);
    }
  }
  return element;
}

export function lineElement(line: Line, around: Surroundings): HTMLElement {
  switch (line.type) {
    case "message":
      return messageElement(line.message, around);
    case "gap":
      return ours("gap", line.messages === null ? t("chat.missedSome") : t("chat.missed", { n: line.messages }));
    case "notice":
      return system(`notice-line kind-${/^[a-z-]{1,20}$/.test(line.notice.kind) ? line.notice.kind : "other"}`, line.notice.text);
    case "gift":
      return giftElement(line.gifts, around);
    case "act": {
      const element = ours("act", actPhrase(line.act, around.nameOf));
      const more = [
        ...(line.actor === "" ? [] : [t("act.by", { name: around.nameOf(line.actor) })]),
        ...(line.reason === "" ? [] : [t("act.reason", { reason: line.reason })]),
      ];
      if (more.length > 0) {
        element.append(" ", make("span", "aside", more.join(" · ")));
      }
      return element;
    }
    case "answer": {
      const element = system("answer", line.text);
      element.prepend(make("span", "aside", t("chat.onlyYou")));
      return element;
    }
    case "moves":
      return ours("moves", movesPhrase(line));
  }
}

function giftElement({ gift, total, points, more }: Gifts, around: Surroundings): HTMLElement {
  const { sender, item, figure, note } = gift;
  const name = figure?.name !== undefined && figure.name !== "" ? figure.name : item;
  const emoji = make("span", "gift-emoji", figure?.emoji ?? EMOJI_DEFAULT);
  emoji.setAttribute("aria-hidden", "true");
  const element = make("div", `line gift tier-${figure?.tier ?? "small"}${sender.id === around.me ? " mine" : ""}`, emoji);
  const first = t(total > 1 ? "gift.gaveSome" : "gift.gaveOne", { name: shortened(sender.name, NAME_CHARACTERS_MAX), item: name, n: total });
  const words = make("span", "text", more === 0 ? first : t("gift.andMore", { first, n: more }));
  if (points > 0) {
    words.title = t("gift.points", { n: points });
  }
  element.append(words);
  if (note !== "") {
    element.append(" ", textElement(note, around.names));
  }
  return element;
}

/** A sentence of the page's own. */
function ours(kind: string, text: string): HTMLElement {
  return make("div", `line ${kind}`, make("span", "text", text));
}

/** A sentence of the server's, in whatever language. */
function system(kind: string, text: string): HTMLElement {
  const words = make("bdi", "text", text);
  words.dir = "auto";
  return make("div", `line ${kind}`, words);
}

function movesPhrase(moves: Moves): string {
  const phrase = (names: readonly string[]): string => {
    const more = names.length - NAMES_SHOWN;
    const shown = names.slice(0, NAMES_SHOWN).map((name) => shortened(name, NAME_CHARACTERS_MAX));
    return more > 0 ? t("chat.andMore", { names: shown.map(isolated).join(", "), n: more }) : formatList(shown);
  };
  return [
    ...(moves.joined.length > 0 ? [t("chat.joined", { names: phrase(moves.joined), n: moves.joined.length })] : []),
    ...(moves.left.length > 0 ? [t("chat.left", { names: phrase(moves.left), n: moves.left.length })] : []),
  ].join(" · ");
}

function messageElement(message: Message, around: Surroundings): HTMLElement {
  const { author, kind } = message;
  const text = textElement(message.text, around.names);
  const classes = ["line", "message", ...(kind === "emote" ? ["emote"] : []), ...(author.id === around.me ? ["mine"] : [])];
  if (author.id !== around.me && (text.querySelector(".mention.me") !== null || around.messageOf(message.reply_to ?? "")?.author.id === around.me)) {
    classes.push("to-me");
  }
  const element = make("div", classes.join(" "));
  if (message.reply_to !== null) {
    element.append(quoteElement(message.reply_to, around));
  }
  element.append(...badgeElements(author.roles), nameElement(author.id, author.name), kind === "emote" ? " " : ": ", text);
  const menu = make("button", "line-menu", icon("more"));
  menu.type = "button";
  menu.tabIndex = -1;
  menu.dataset["menu"] = message.id;
  menu.setAttribute("aria-haspopup", "menu");
  menu.setAttribute("aria-label", t("chat.actions", { name: author.name }));
  element.append(menu);
  element.tabIndex = -1;
  return element;
}

function quoteElement(id: string, around: Surroundings): HTMLElement {
  const quoted = around.messageOf(id);
  const text = quoted === null ? t("chat.replyGone") : t("chat.repliesTo", { name: quoted.author.name, text: shortened(quoted.text) });
  const element = make("div", "quote", icon("reply"), make("bdi", "", text));
  return element;
}

export function shortened(text: string, charactersMax = QUOTE_CHARACTERS_MAX): string {
  const characters = [...text];
  return characters.length > charactersMax ? `${characters.slice(0, charactersMax).join("")}…` : text;
}

/** A message of one's own that the room does not have yet. */
export function pendingElement(pending: Pending, me: { readonly id: string; readonly name: string; readonly roles: readonly string[] }): HTMLElement {
  const { publish, state } = pending;
  const emote = publish.text.startsWith("/me ");
  const text = textElement(emote ? publish.text.slice(4) : publish.text, []);
  const element = make("div", `line message mine pending ${state}${emote ? " emote" : ""}`);
  element.append(...badgeElements(me.roles), nameElement(me.id, me.name), emote ? " " : ": ", text);
  if (state === "sending") {
    // Only after a while: an answer within a second is nothing to talk about.
    element.append(make("div", "fate late", t("pending.sending")));
  } else if (state === "held") {
    element.append(fate(t("pending.held"), publish.client_id, []));
  } else if (state === "failed") {
    const words = t("pending.failed", { reason: reasonOf(pending.code, pending.sentence) });
    element.append(fate(words, publish.client_id, [["retry", t("pending.retry")], ["edit", t("pending.edit")]]));
  }
  return element;
}

function fate(text: string, clientId: string, actions: readonly (readonly [string, string])[]): HTMLElement {
  const element = make("div", "fate", make("span", "", text));
  for (const [action, label] of [...actions, ["discard", t("pending.discard")] as const]) {
    const button = make("button", "text-button", label);
    button.type = "button";
    button.dataset[action] = clientId;
    element.append(button);
  }
  return element;
}
