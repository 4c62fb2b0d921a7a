/** Where one writes: what may be sent, when, and if not, why. */

import { formatDuration, formatNumber, onLanguage, t } from "../i18n";
import type { Message } from "../room/protocol";
import { TEXT_BYTES_MAX } from "../room/protocol";
import type { Room } from "../room/room";
import { lengthOf } from "../room/text";
import { isFull } from "../room/timeline";
import { icon, make, setAttribute, setText } from "../ui/dom";
import { shortened } from "./line";
import type { NameDialog } from "./names";
import { isOn, rolesPhrase, sanctionPhrase } from "./words";

/** What is left is told when it is less than this share of the whole. */
const NEAR = 0.15;

export class Composer {
  readonly element = make("form", "composer");
  readonly beside = make("span", "composer-beside");
  readonly #room: Room;
  readonly #names: NameDialog;
  readonly #onLike: () => void;
  readonly #input = make("input", "composer-input");
  readonly #send = make("button", "icon-button send", icon("send"), make("span", "send-wait"));
  readonly #like = make("button", "icon-button like", icon("heart"), make("span", "like-count"));
  readonly #hint = make("p", "composer-hint");
  readonly #replyText = make("bdi", "");
  readonly #replyClose = make("button", "icon-button small", icon("close"));
  readonly #reply = make("div", "composer-reply", icon("reply"), this.#replyText, this.#replyClose);
  #replyTo: Message | null = null;

  constructor(room: Room, names: NameDialog, onLike: () => void) {
    this.#room = room;
    this.#names = names;
    this.#onLike = onLike;
    Object.assign(this.#input, { type: "text", autocomplete: "off", enterKeyHint: "send", dir: "auto", id: "chat-input" });
    this.#hint.id = "composer-hint";
    this.#input.setAttribute("aria-describedby", "composer-hint");
    this.#send.type = "submit";
    this.#like.type = "button";
    this.#replyClose.type = "button";
    this.#reply.hidden = true;
    this.element.append(this.#reply, this.#hint, make("div", "composer-row", this.#input, this.#send, this.beside, this.#like));
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("input", () => this.update());
    this.#input.addEventListener("keydown", (event) => this.#handleKey(event));
    this.#like.addEventListener("click", () => this.#onLike());
    this.#replyClose.addEventListener("click", () => this.reply(null));
    onLanguage(() => this.update());
  }

  focus(): void {
    this.#input.focus();
  }

  /** What is written next answers this message. */
  reply(message: Message | null): void {
    this.#replyTo = message;
    this.update();
    this.#input.focus();
  }

  /** A message that was not taken is written once more, before what is being written. */
  edit(text: string, replyTo: Message | null): void {
    const draft = this.#input.value.trim();
    this.#input.value = draft === "" ? text : `${text} ${draft}`;
    this.reply(replyTo ?? this.#replyTo);
  }

  mention(name: string): void {
    const before = this.#input.value;
    this.#input.value = `${before}${before === "" || before.endsWith(" ") ? "" : " "}@${name} `;
    this.#input.focus();
    this.update();
  }

  update(): void {
    const { timeline } = this.#room;
    const refusal = this.#refusal();
    const waitMs = this.#room.canModerate ? 0 : timeline.notBeforeMs - this.#room.nowMs();
    const over = this.#over();
    // Not disabled: that would take the focus away, and the keys that follow would mean the picture and the sound.
    this.#input.readOnly = refusal !== null;
    setAttribute(this.#input, "aria-disabled", String(refusal !== null));
    setAttribute(this.#input, "placeholder", t("compose.placeholder"));
    setAttribute(this.#input, "aria-label", t("compose.label"));
    setAttribute(this.#send, "aria-label", waitMs > 0 ? t("compose.wait", { time: formatDuration(waitMs) }) : t("compose.send"));
    setText(this.#send.querySelector(".send-wait") ?? this.#send, waitMs > 0 ? formatNumber(Math.ceil(waitMs / 1000)) : "");
    this.#send.classList.toggle("waits", waitMs > 0);
    this.#send.disabled = refusal !== null || isFull(timeline) || waitMs > 0 || over > 0 || this.#input.value.trim() === "";
    const likes = this.#room.state.whole?.likes ?? 0;
    setText(this.#like.querySelector(".like-count") ?? this.#like, likes === 0 ? "" : formatNumber(likes, likes > 9999));
    setAttribute(this.#like, "aria-label", `${t("compose.like")}, ${t("compose.likes", { n: likes })}`);
    this.#updateHint(refusal, over);
    this.#reply.hidden = this.#replyTo === null;
    setAttribute(this.#replyClose, "aria-label", t("chat.stopReply"));
    if (this.#replyTo !== null) {
      setText(this.#replyText, t("chat.repliesTo", { name: this.#replyTo.author.name, text: shortened(this.#replyTo.text) }));
    }
  }

  /** Why one cannot write at all now. */
  #refusal(): string | null {
    const { timeline, identity } = this.#room;
    const { you, settings } = timeline;
    if (you === null) {
      return null;
    }
    const sanction = sanctionPhrase(timeline.sanction, this.#room.nowMs());
    if (sanction !== null) {
      return sanction;
    }
    if (!this.#room.canSpeak && identity.isGiven) {
      return t("compose.silent");
    }
    if (this.#room.canModerate) {
      return null;
    }
    const has = (role: string): boolean => you.user.roles.includes(role);
    if (settings.restrict.length === 0 || settings.restrict.some(has)) {
      return null;
    }
    return settings.restrict.includes("subscriber") ? t("compose.subscribersOnly") : t("compose.restricted", { roles: rolesPhrase(settings.restrict) });
  }

  /** Bytes too many, as characters of this text. */
  #over(): number {
    const { bytes, characters } = lengthOf(this.#input.value);
    return bytes <= TEXT_BYTES_MAX ? 0 : Math.ceil(((bytes - TEXT_BYTES_MAX) * characters) / bytes);
  }

  #updateHint(refusal: string | null, over: number): void {
    const { bytes, characters } = lengthOf(this.#input.value);
    const left = TEXT_BYTES_MAX - bytes;
    const { slow_mode_ms: slowMs, attrs } = this.#room.timeline.settings;
    let hint = "";
    if (over > 0) {
      hint = t("compose.over", { n: over });
    } else if (left < TEXT_BYTES_MAX * NEAR) {
      hint = t("compose.left", { n: Math.floor((left * characters) / bytes) });
    } else if (refusal !== null) {
      hint = refusal;
    } else if (isFull(this.#room.timeline)) {
      hint = t("compose.waiting");
    } else if (!this.#room.canModerate) {
      hint = isOn(attrs, "emote_only")
        ? t("compose.emoteOnly")
        : isOn(attrs, "followers_only")
          ? t("compose.followersOnly")
          : slowMs > 0
            ? t("compose.slow", { time: formatDuration(slowMs) })
            : "";
    }
    setText(this.#hint, hint);
    this.#hint.classList.toggle("over", over > 0);
    setAttribute(this.#input, "aria-invalid", String(over > 0));
  }

  #handleKey(event: KeyboardEvent): void {
    // The Enter that ends a composition chooses a word. Safari reports it with key code 229.
    if (event.key === "Enter" && (event.isComposing || event.keyCode === 229 || event.shiftKey)) {
      event.preventDefault();
    } else if (event.key === "Escape" && this.#replyTo !== null) {
      event.preventDefault();
      this.reply(null);
    }
  }

  #submit(): void {
    const text = this.#input.value.trim();
    this.update();
    if (this.#send.disabled || text === "") {
      return;
    }
    const send = (): void => {
      if (this.#room.say(text, this.#replyTo?.id ?? null)) {
        this.#input.value = "";
        this.reply(null);
      }
    };
    const { identity, timeline, canSpeak } = this.#room;
    // Without a token one is nobody in particular, even where such may speak.
    const named = canSpeak && identity.token !== null && timeline.you?.user.name !== "";
    if (named || identity.guest !== null || identity.isGiven) {
      send();
    } else {
      this.#names.ask(send);
    }
  }
}
