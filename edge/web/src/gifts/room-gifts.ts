/** Gifts on the watch page: what comes from the room goes to the picture, the tray and the goal; what one gives goes to the edge. */

import { Problem } from "../account/problem";
import { problemWords } from "../account/words";
import { toast } from "../chat/moderation";
import type { ChatPanel } from "../chat/panel";
import { formatDuration, t } from "../i18n";
import { field, number, parsedJson, text } from "../lib/json";
import { roomPath } from "../room/connection";
import type { Gift } from "../room/gift";
import type { RoomEvent } from "../room/protocol";
import type { Room } from "../room/room";
import type { PageAccount } from "../ui/watch-account";
import { GiftAnnouncer } from "./announce";
import { LeaderboardDrawer } from "./board";
import { fetchCatalogue, type Item, lookOf } from "./catalogue";
import { isOver, type OwnCombo, tapped, untapped, WINDOW_MS_DEFAULT } from "./combo";
import { GiftDrawer } from "./drawer";
import { celebrating, gave, type Goal, type GoalState, NO_GOAL, noticed, parseGoal, reachedBy, told } from "./goal";
import { GoalBar } from "./goal-bar";
import { Seen } from "./seen";
import { type Fate, type Given, GiftSender, type Tap } from "./sender";
import { GiftStage } from "./stage";
import { GiftTray } from "./tray";

const SEEN_MAX = 4096;
/** What comes later than this after it happened is a line in the chat, and no play. */
const LATE_MS = 30_000;
const REQUEST_MS = 5000;
const STATUS_MS = 8000;
const WALLET_MS = 2000;

export interface RoomGiftsOptions {
  readonly stream: string;
  readonly room: Room;
  readonly panel: ChatPanel;
  readonly account: PageAccount;
  readonly player: HTMLElement;
}

export class RoomGifts {
  readonly #options: RoomGiftsOptions;
  readonly #stage = new GiftStage();
  readonly #tray = new GiftTray();
  readonly #announcer = new GiftAnnouncer();
  readonly #seen = new Seen(SEEN_MAX);
  /** What the stage has shown, or will. */
  readonly #played = new Seen(SEEN_MAX);
  readonly #sender: GiftSender;
  readonly #drawer: GiftDrawer;
  readonly #goalBar: GoalBar;
  readonly #board: LeaderboardDrawer;
  #items: ReadonlyMap<string, Item> = new Map();
  #goal: GoalState = NO_GOAL;
  #goalDrawn: Goal | null = null;
  #goalAsked = 0;
  #asking = false;
  #combo: OwnCombo | null = null;
  #windowMs = WINDOW_MS_DEFAULT;
  #held = 0;
  #owner: string | null = null;
  #statusTimer: number | undefined;
  #comboTimer: number | undefined;
  #walletTimer: number | undefined;

  constructor(options: RoomGiftsOptions) {
    const { stream, panel, account, player } = options;
    const { session, wallet } = account;
    this.#options = options;
    this.#sender = new GiftSender({
      post: (tap) => this.#post(tap),
      newId,
      now: () => performance.now(),
      later: (run, ms) => void window.setTimeout(run, ms),
      onFate: (fate) => this.#tell(fate),
      onChange: () => wallet.spending(this.#sender.cost),
    });
    this.#drawer = new GiftDrawer({
      session,
      wallet,
      frame: panel.element,
      give: (item, count) => this.#give(item, count),
      again: () => this.#again(),
      signIn: () => account.dialogs.signIn(t("gift.signInFor")),
      onOpen: () => {
        this.#board.toggle(false);
        void wallet.refresh();
      },
    });
    this.#goalBar = new GoalBar(session, account.form, stream, (goal) => this.#learnGoal(goal));
    this.#board = new LeaderboardDrawer(session, stream, (open) => {
      this.#drawer.toggle(this.#drawer.isOpen && !open);
      panel.cover(open);
    });
    panel.onDrawer = () => this.#board.toggle(false);
    player.append(this.#stage.element, this.#tray.element);
    account.nameOf = (item) => this.#items.get(item)?.name ?? item;
    wallet.onChange(() => this.#drawer.draw(null));
    session.onChange(() => this.#follow());
    this.#follow();
  }

  /** Something has happened in the room, now. */
  handle({ at_ms: atMs, body }: RoomEvent): void {
    if (body.type === "gift") {
      this.#take(body.gift, atMs);
    } else if (body.type === "notice") {
      this.#notice(body.notice.kind, body.notice.payload, atMs);
    }
  }

  /** A connection has begun. */
  welcome(): void {
    void this.#askGoal();
    if (this.#items.size === 0) {
      void this.#load();
    }
  }

  #take(gift: Gift, atMs: number): void {
    if (!this.#seen.add(gift.id)) {
      return;
    }
    this.#goal = gave(this.#goal, gift.points, atMs);
    this.#drawGoal();
    if (gift.combo !== null) {
      this.#windowMs = gift.combo.windowMs;
    }
    if (document.visibilityState === "hidden" || this.#options.room.nowMs() - atMs > LATE_MS + this.#options.room.holdMs) {
      return;
    }
    const look = lookOf(gift, this.#items);
    this.#tray.add(gift, look);
    // Of one's own the answer may have come before.
    if (this.#played.add(gift.id)) {
      this.#stage.show({ ...look, item: gift.item, sender: gift.sender.name, senderId: gift.sender.id, count: gift.count });
      this.#refreshIfMine(gift);
    }
    if (gift.sender.id !== this.#options.room.me) {
      this.#announcer.add(t(gift.count > 1 ? "gift.gaveSome" : "gift.gaveOne", { name: gift.sender.name, item: look.name, n: gift.count }), gift.points);
    }
  }

  #notice(kind: string, payload: string, atMs: number): void {
    switch (kind) {
      case "combo_end":
        this.#tray.end(text(field(parsedJson(payload), "id")));
        break;
      case "goal":
        this.#goal = noticed(this.#goal, payload, atMs);
        this.#drawGoal();
        break;
      case "goal_reached":
        this.#goal = reachedBy(this.#goal, payload);
        this.#drawGoal();
        break;
      case "gift_refunded":
        // It may be one's own.
        void this.#options.account.wallet.refresh();
        break;
      default:
    }
  }

  #follow(): void {
    const { user, accounts } = this.#options.account.session;
    const owner = user?.id ?? null;
    if (owner !== this.#owner) {
      this.#owner = owner;
      this.#sender.clear();
      this.#held = 0;
      this.#combo = null;
      this.#say("", false);
    }
    if (accounts === "there" && this.#items.size === 0) {
      void this.#load();
      void this.#askGoal();
    }
    this.#drawer.draw(null);
  }

  /** Where nobody has an account nobody can give: the page is as without gifts. */
  async #load(): Promise<void> {
    const { session } = this.#options.account;
    if (session.accounts !== "there" || this.#asking) {
      return;
    }
    this.#asking = true;
    try {
      const items = await fetchCatalogue(session, this.#options.stream);
      if (items.length > 0) {
        this.#begin(items);
      }
    } catch {
      // With the next connection it is tried again.
    } finally {
      this.#asking = false;
    }
  }

  #begin(items: readonly Item[]): void {
    const { places } = this.#options.panel;
    this.#items = new Map(items.map((item) => [item.id, item]));
    this.#drawer.set(items);
    places.beside.append(this.#drawer.button);
    places.sheet.append(this.#drawer.element);
    places.head.append(this.#board.button);
    places.over.append(this.#board.element);
    places.above.append(this.#goalBar.element);
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
      return;
    }
    if (!this.#sender.give(item, count, room.mediaMs)) {
      this.#say(t("gift.full"), true);
      return;
    }
    if (item.combo) {
      this.#setCombo(tapped(this.#combo, item.id, count, this.#windowMs, performance.now()));
    }
  }

  #setCombo(combo: OwnCombo | null): void {
    this.#combo = combo;
    this.#drawer.drawCombo(combo);
    window.clearTimeout(this.#comboTimer);
    if (combo !== null) {
      this.#comboTimer = window.setTimeout(() => {
        if (this.#combo !== null && isOver(this.#combo, performance.now())) {
          this.#setCombo(null);
        }
      }, combo.untilMs - performance.now() + 20);
    }
  }

  async #post({ clientId, item, count, mediaMs }: Tap): Promise<Given> {
    const body = { client_id: clientId, item: item.id, count, ...(mediaMs === null ? {} : { media_ms: mediaMs }) };
    const { session } = this.#options.account;
    const answer: unknown = await session.json(`${roomPath(this.#options.stream)}/gifts`, { method: "POST", body: JSON.stringify(body), signal: AbortSignal.timeout(REQUEST_MS) });
    const available = field(answer, "available");
    if (typeof available !== "number") {
      throw new Problem(502, "unavailable");
    }
    return { id: text(field(answer, "id")), state: field(answer, "state") === "held" ? "held" : "given", available: number(available) };
  }

  #tell(fate: Fate): void {
    const { wallet } = this.#options.account;
    if (fate.type === "paused") {
      this.#say(t("gift.slow", { time: formatDuration(fate.ms) }), false, fate.ms);
    } else if (fate.type === "given") {
      wallet.learn(fate.available);
      this.#refreshSoon();
      if (fate.state === "given") {
        this.#playOwn(fate.id, fate.tap);
      } else {
        this.#held += 1;
        this.#say(t("gift.held", { n: this.#held }), false);
      }
    } else {
      for (const { item, count } of fate.taps) {
        this.#setCombo(untapped(this.#combo, item.id, count));
      }
      const n = fate.taps.length;
      this.#say(fate.again ? t("gift.lost", { n: this.#sender.lost }) : t("gift.failed", { n, reason: problemWords(fate.problem) }), true);
      void wallet.refresh();
      if (fate.problem.code === "unknown-gift") {
        void fetchCatalogue(this.#options.account.session, this.#options.stream).then((items) => this.#begin(items), () => undefined);
      }
    }
  }

  /** Given on another device. */
  #refreshIfMine(gift: Gift): void {
    if (gift.sender.id === this.#options.account.session.user?.id) {
      this.#refreshSoon();
    }
  }

  /** Once it is quiet: what is known of the wallet is put together from answers. */
  #refreshSoon(): void {
    window.clearTimeout(this.#walletTimer);
    this.#walletTimer = window.setTimeout(() => void this.#options.account.wallet.refresh(), WALLET_MS);
  }

  /** Who gives sees it at once; the room's own word comes in step with the picture, which is behind. */
  #playOwn(id: string, { item, count }: Tap): void {
    const { user } = this.#options.account.session;
    if (user !== null && id !== "" && this.#played.add(id)) {
      this.#stage.show({ ...item, item: item.id, sender: user.name, senderId: user.id, count });
    }
  }

  #again(): void {
    this.#say("", false);
    this.#sender.again();
  }

  /** A line in the drawer, or, where it is closed by now, of the page. What can be tried again stays until it was. */
  #say(words: string, bad: boolean, ms = STATUS_MS): void {
    window.clearTimeout(this.#statusTimer);
    this.#drawer.say({ words, bad, again: this.#sender.lost > 0 });
    if (words !== "" && !this.#drawer.isOpen) {
      toast(words);
    }
    if (words !== "" && this.#sender.lost === 0) {
      this.#statusTimer = window.setTimeout(() => this.#say("", false), Math.max(ms, bad ? STATUS_MS : 0));
    }
  }

  async #askGoal(): Promise<void> {
    const { account, room, stream } = this.#options;
    if (account.session.accounts !== "there") {
      return;
    }
    const asked = (this.#goalAsked += 1);
    const asOfMs = room.nowMs();
    let goal: Goal | null = null;
    try {
      goal = parseGoal(await account.session.json(`${roomPath(stream)}/goal`));
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 404) {
        return;
      }
    }
    if (asked === this.#goalAsked) {
      this.#goal = told(this.#goal, goal, asOfMs);
      this.#drawGoal();
    }
  }

  #learnGoal(goal: Goal | null): void {
    this.#goal = told(this.#goal, goal, this.#options.room.nowMs());
    this.#drawGoal();
  }

  #drawGoal(): void {
    const { state, celebrates } = celebrating(this.#goal);
    this.#goal = state;
    if (celebrates && state.goal !== null) {
      const words = t("goal.reachedTitle", { title: state.goal.title });
      this.#stage.celebrate(words);
      this.#announcer.say(words);
    }
    if (state.goal !== this.#goalDrawn) {
      this.#goalDrawn = state.goal;
      this.#goalBar.draw(state.goal);
    }
  }
}

/** Unique for this user: `crypto.randomUUID` is not there on a page over plain HTTP. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `g-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
