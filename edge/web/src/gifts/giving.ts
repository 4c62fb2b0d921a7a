/** One's own gifts: from the press in the drawer to what the edge makes of it, and how that is said. */

import { Problem } from "../account/problem";
import { problemWords } from "../account/words";
import { toast } from "../chat/moderation";
import { formatDuration, t } from "../i18n";
import { roomPath } from "../room/connection";
import type { Room } from "../room/room";
import type { PageAccount } from "../ui/watch-account";
import type { Item } from "./catalogue";
import { isOver, type OwnCombo, tapped, untapped, WINDOW_MS_DEFAULT } from "./combo";
import { GiftDrawer } from "./drawer";
import { type Fate, type Given, GiftSender, parseGiven, type Tap } from "./sender";

const REQUEST_MS = 5000;
const STATUS_MS = 8000;
const WALLET_MS = 2000;

export interface GivingOptions {
  readonly stream: string;
  readonly room: Room;
  readonly account: PageAccount;
  /** Positioned; the drawer's menus open in it. */
  readonly frame: HTMLElement;
  onOpen(): void;
  /** It was given: who gives sees it at once. */
  onGiven(id: string, item: Item, count: number): void;
  /** The catalogue has changed. */
  onUnknown(): void;
  /** For who does not see it. */
  say(words: string): void;
}

export class Giving {
  readonly drawer: GiftDrawer;
  /** How long a series goes on after a tap; the room's events say it. */
  windowMs = WINDOW_MS_DEFAULT;
  readonly #options: GivingOptions;
  readonly #sender: GiftSender;
  #combo: OwnCombo | null = null;
  #comboItem: Item | null = null;
  #held = 0;
  /** The last press sent nothing, and the drawer says why. */
  #refused = false;
  #owner: string | null;
  #statusTimer: number | undefined;
  #comboTimer: number | undefined;
  #walletTimer: number | undefined;

  constructor(options: GivingOptions) {
    const { account, frame } = options;
    const { session, wallet } = account;
    this.#options = options;
    this.#owner = session.user?.id ?? null;
    this.#sender = new GiftSender({
      post: (tap) => this.#post(tap),
      newId,
      now: () => performance.now(),
      later: (run, ms) => void window.setTimeout(run, ms),
      onFate: (fate) => this.#tell(fate),
      onChange: () => this.#spend(),
    });
    this.drawer = new GiftDrawer({
      session,
      wallet,
      frame,
      give: (item, count) => this.#give(item, count),
      again: () => {
        this.#say("", false);
        this.#sender.again();
      },
      signIn: () => account.dialogs.signIn(t("gift.signInFor")),
      onOpen: () => {
        options.onOpen();
        void wallet.refresh();
      },
    });
    wallet.onChange(() => this.drawer.draw(null));
  }

  /** Somebody else may be signed in by now, or nobody. */
  follow(): void {
    const owner = this.#options.account.session.user?.id ?? null;
    if (owner !== this.#owner) {
      this.#owner = owner;
      this.#held = 0;
      this.#setCombo(null);
      const dropped = this.#sender.clear();
      this.#say(dropped === 0 ? "" : t("gift.failed", { n: dropped, reason: t("problem.signed_out") }), dropped > 0);
    }
    this.drawer.draw(null);
  }

  /** Once it is quiet: what is known of the wallet is put together from answers. */
  refreshSoon(): void {
    window.clearTimeout(this.#walletTimer);
    this.#walletTimer = window.setTimeout(() => void this.#options.account.wallet.refresh(), WALLET_MS);
  }

  #give(item: Item, count: number): void {
    const { account, room } = this.#options;
    if (account.session.user === null) {
      account.dialogs.signIn(t("gift.signInFor"));
      return;
    }
    const cost = item.price * count;
    const { left } = account.wallet;
    if (left !== null && left < cost) {
      const coins = (n: number): string => t("wallet.coins", { n });
      this.#say(t("gift.short", { name: count === 1 ? item.name : `${item.name} × ${count}`, price: coins(cost), coins: coins(left) }), true);
      this.#refused = true;
      return;
    }
    if (!this.#sender.give(item, count, room.mediaMs)) {
      this.#say(t("gift.full"), true);
      this.#refused = true;
      return;
    }
    if (this.#refused) {
      // What was short or too much is so no more.
      this.#say("", false);
    }
    if (item.combo) {
      this.#comboItem = item;
      this.#setCombo(tapped(this.#combo, item.id, count, this.windowMs, performance.now()));
    }
  }

  #spend(): void {
    const { cost } = this.#sender;
    this.#options.account.wallet.spending(cost);
    // Only as long as there is something to lose: a page with it is not kept for going back.
    window[cost > 0 ? "addEventListener" : "removeEventListener"]("beforeunload", stay);
  }

  #setCombo(combo: OwnCombo | null): void {
    this.#combo = combo;
    this.drawer.drawCombo(combo);
    window.clearTimeout(this.#comboTimer);
    if (combo !== null) {
      this.#comboTimer = window.setTimeout(() => this.#endCombo(), combo.untilMs - performance.now() + 20);
    }
  }

  #endCombo(): void {
    if (this.#combo !== null && isOver(this.#combo, performance.now())) {
      this.#sayGiven(this.#comboItem, this.#combo.total);
      this.#setCombo(null);
    }
  }

  #sayGiven(item: Item | null, n: number): void {
    if (item !== null) {
      this.#options.say(t("gift.youGave", { item: item.name, n }));
    }
  }

  async #post({ clientId, item, count, mediaMs }: Tap): Promise<Given> {
    const body = { client_id: clientId, item: item.id, count, ...(mediaMs === null ? {} : { media_ms: mediaMs }) };
    const { account, stream } = this.#options;
    const answer: unknown = await account.session.json(`${roomPath(stream)}/gifts`, { method: "POST", body: JSON.stringify(body), signal: AbortSignal.timeout(REQUEST_MS) });
    const given = parseGiven(answer);
    if (given === null) {
      throw new Problem(502, "unavailable");
    }
    return given;
  }

  #tell(fate: Fate): void {
    switch (fate.type) {
      case "paused":
        this.#say(t("gift.slow", { time: formatDuration(fate.ms) }), false, fate.ms);
        break;
      case "given":
        this.#given(fate, fate.tap);
        break;
      case "failed":
        this.#failed(fate);
    }
  }

  #given({ id, state, available }: Given, { item, count }: Tap): void {
    this.#options.account.wallet.paid(item.price * count, available);
    this.refreshSoon();
    if (state === "held") {
      this.#held += 1;
      this.#say(t("gift.held", { n: this.#held }), false);
      return;
    }
    if (!item.combo) {
      this.#sayGiven(item, count);
    }
    this.#options.onGiven(id, item, count);
  }

  #failed({ taps, problem, again }: Fate & { type: "failed" }): void {
    for (const { item, count } of taps) {
      this.#setCombo(untapped(this.#combo, item.id, count));
    }
    this.#say(again ? t("gift.lost", { n: this.#sender.lost }) : t("gift.failed", { n: taps.length, reason: problemWords(problem) }), true);
    void this.#options.account.wallet.refresh();
    if (problem.code === "unknown-gift" || problem.code === "retired") {
      this.#options.onUnknown();
    }
  }

  /** A line in the drawer, or, where it is closed by now, of the page. What can be tried again stays until it was. */
  #say(words: string, bad: boolean, ms = STATUS_MS): void {
    window.clearTimeout(this.#statusTimer);
    this.#refused = false;
    this.drawer.say({ words, bad, again: this.#sender.lost > 0 });
    if (words === "") {
      return;
    }
    if (!this.drawer.isOpen) {
      toast(words);
    }
    if (this.#sender.lost === 0) {
      this.#statusTimer = window.setTimeout(() => this.#say("", false), bad ? Math.max(ms, STATUS_MS) : ms);
    }
  }
}

function stay(event: Event): void {
  event.preventDefault();
}

/** Unique for this user: `crypto.randomUUID` is not there on a page over plain HTTP. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `g-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
