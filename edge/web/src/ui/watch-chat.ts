/** The chat beside or over the picture of the watch page. Where there are no rooms the page is as without it. */

import { ChatPanel } from "../chat/panel";
import { onLanguage, t } from "../i18n";
import { tokenOfQuery } from "../lib/route";
import { recallChat, recallFill, recallRooms, recallStep, rememberChat, rememberFill, rememberRooms, rememberStep } from "../player/memory";
import type { Session, SessionState } from "../player/session";
import { RoomGifts } from "../gifts/room-gifts";
import { fetchStreams } from "../lib/api";
import { hasRoom } from "../room/connection";
import { Identity } from "../room/identity";
import { type Behind, Room } from "../room/room";
import { byId, setAttribute } from "./dom";
import type { PageAccount } from "./watch-account";

/** Two taps within this time, and this near to each other, are a heart. */
const DOUBLE_TAP_MS = 300;
const DOUBLE_TAP_PX = 40;
/** Smaller than this the keyboard is not there. */
const KEYBOARD_PX_MIN = 120;
/** So long a room waits for who is signed in: else one would come twice, first as nobody. */
const SESSION_MS_MAX = 1500;

export class WatchChat {
  readonly #stream: string;
  readonly #session: Session;
  readonly #video: HTMLVideoElement;
  readonly #account: PageAccount;
  readonly #identity: Identity;
  readonly #aside = byId("chat", HTMLElement);
  readonly #toggle = byId("chat-toggle", HTMLButtonElement);
  readonly #fit = byId("fit", HTMLButtonElement);
  #panel: ChatPanel | null = null;
  #room: Room | null = null;
  #gifts: RoomGifts | null = null;
  #asking = false;
  #begun = false;
  #asked: SessionState | null = null;

  constructor(stream: string, session: Session, video: HTMLVideoElement, account: PageAccount) {
    this.#account = account;
    this.#stream = stream;
    this.#session = session;
    this.#video = video;
    // At once, also where there are no rooms: a token does not stay in the address.
    this.#identity = new Identity(stream, tokenOfQuery(location.search), account.session);
    this.#toggle.addEventListener("click", () => this.#show(this.#aside.hidden !== false));
    this.#fit.addEventListener("click", () => this.#fill(!document.body.classList.contains("fill")));
    video.addEventListener("resize", () => this.#shape());
    onLanguage(() => this.#words());
    // As it was the last time, so that nothing moves when the answer comes.
    if (recallRooms()) {
      this.#reserve();
    }
    this.#words();
  }

  /** The list of streams was read: one with viewers has a room, of any other one has to be asked. */
  begin(listed: boolean): void {
    if (this.#panel !== null || this.#asking) {
      return;
    }
    if (listed) {
      rememberRooms(true);
      this.#begin();
    } else if (!this.#begun) {
      void this.#ask();
    }
    this.#begun = true;
  }

  /** A stream that has begun may have brought its room with it. */
  follow(state: SessionState): void {
    if (this.#begun && state === "playing" && this.#asked !== state) {
      if (this.#panel === null) {
        void this.#ask();
      } else if (this.#room?.link === "absent") {
        this.#room.open();
      }
    }
    this.#asked = state;
  }

  focus(): void {
    const panel = this.#panel;
    if (panel === null) {
      return;
    }
    const show = (): void => {
      this.#show(true);
      panel.focusComposer();
    };
    // Older iPhones know of none.
    const full = document.fullscreenElement ?? null;
    if (full !== null && !full.contains(this.#aside)) {
      // Over a picture that fills the screen nobody would see what they write.
      void document.exitFullscreen().then(show, () => undefined);
    } else {
      show();
    }
  }

  async #ask(): Promise<void> {
    if (this.#asking || this.#panel !== null) {
      return;
    }
    this.#asking = true;
    const known = await isThere(this.#stream);
    this.#asking = false;
    if (known === null && !recallRooms()) {
      return;
    }
    rememberRooms(known !== false);
    if (known === false) {
      this.#aside.hidden = true;
      this.#toggle.hidden = true;
      document.body.classList.remove("with-chat", "chat-open");
    } else {
      this.#begin();
    }
  }

  #reserve(): void {
    document.body.classList.add("with-chat");
    this.#toggle.hidden = false;
    this.#show(recallChat(), false);
  }

  #begin(): void {
    this.#reserve();
    const room = new Room({
      room: this.#stream,
      identity: this.#identity,
      pictureBehind: () => this.#behind(),
      onChange: () => this.#panel?.schedule(),
      onBurst: (count) => this.#panel?.hearts.burst(count),
      onEvent: (event) => this.#gifts?.handle(event),
      onWelcome: () => this.#gifts?.welcome(),
    });
    this.#room = room;
    room.setInStep(recallStep());
    this.#panel = new ChatPanel(room, { bare: false, onStep: rememberStep });
    this.#offerAccount(this.#panel);
    this.#aside.append(this.#panel.element);
    const player = byId("player", HTMLElement);
    player.append(this.#panel.hearts.element);
    this.#gifts = new RoomGifts({ stream: this.#stream, room, panel: this.#panel, account: this.#account, player });
    this.#listen();
    this.#shape();
    this.#fill(recallFill(), false);
    void Promise.race([this.#account.session.restore(), new Promise((done) => window.setTimeout(done, SESSION_MS_MAX))]).then(() => room.open());
  }

  /** Who is asked for a name may have one already. */
  #offerAccount({ names }: ChatPanel): void {
    const { session, dialogs } = this.#account;
    const offer = { key: "account.haveOne", run: () => dialogs.signIn() } as const;
    const follow = (): void => {
      names.offer = session.accounts === "there" ? offer : null;
    };
    session.onChange(follow);
    follow();
  }

  #behind(): Behind | null {
    const { engine, state } = this.#session;
    const source = engine?.sourceLatency ?? null;
    const behind = state === "playing" ? (source ?? engine?.latency ?? null) : null;
    return behind === null ? null : { ms: behind * 1000, byClock: source !== null };
  }

  #show(open: boolean, remembered = true): void {
    this.#aside.hidden = !open;
    document.body.classList.toggle("chat-open", open);
    if (remembered) {
      rememberChat(open);
    }
    this.#words();
    this.#panel?.schedule();
  }

  #words(): void {
    const name = t(this.#aside.hidden ? "chat.show" : "chat.hide");
    setAttribute(this.#toggle, "aria-label", name);
    setAttribute(this.#toggle, "title", name);
    setAttribute(this.#toggle, "aria-expanded", String(!this.#aside.hidden));
    const filled = document.body.classList.contains("fill");
    setAttribute(this.#fit, "aria-pressed", String(filled));
    setAttribute(this.#fit, "aria-label", t("player.fill"));
    setAttribute(this.#fit, "title", t(filled ? "player.fit" : "player.fill"));
  }

  /** A picture that is higher than wide always fills a phone; of a wide one that would cut off most. */
  #shape(): void {
    const { videoWidth: width, videoHeight: height } = this.#video;
    const tall = width > 0 && height > width;
    document.body.classList.toggle("tall-picture", tall);
    this.#fit.hidden = tall;
  }

  #fill(fill: boolean, remembered = true): void {
    document.body.classList.toggle("fill", fill);
    if (remembered) {
      rememberFill(fill);
    }
    this.#words();
  }

  #listen(): void {
    let last = { atMs: Number.NEGATIVE_INFINITY, x: 0, y: 0 };
    this.#video.addEventListener("pointerup", ({ pointerType, clientX: x, clientY: y, timeStamp: atMs }) => {
      const near = Math.hypot(x - last.x, y - last.y) < DOUBLE_TAP_PX;
      if (pointerType !== "mouse" && near && atMs - last.atMs < DOUBLE_TAP_MS) {
        this.#panel?.like();
      }
      last = { atMs, x, y };
    });
    // The keyboard of a phone lies over the page: what one writes goes above it.
    const viewport = window.visualViewport;
    let frame: number | null = null;
    const measure = (): void => {
      frame = null;
      if (viewport === null) {
        return;
      }
      const covered = window.innerHeight - viewport.height - viewport.offsetTop;
      const keyboard = covered > KEYBOARD_PX_MIN && viewport.scale === 1 ? covered : 0;
      document.documentElement.style.setProperty("--keyboard", `${Math.round(keyboard)}px`);
    };
    // The page can be moved under the keyboard, too.
    for (const event of ["resize", "scroll"]) {
      viewport?.addEventListener(event, () => (frame ??= requestAnimationFrame(measure)));
    }
  }
}

/** The list of streams counts those in their rooms, where there are rooms. A stream that is not live is in no list. */
async function isThere(stream: string): Promise<boolean | null> {
  try {
    const live = (await fetchStreams()).find((known) => known.name === stream);
    if (live !== undefined) {
      return live.viewers != null;
    }
  } catch {
    // The room may know better.
  }
  return hasRoom(stream);
}
