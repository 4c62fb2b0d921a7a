/** Gifts on the watch page: what comes from the room goes to the picture, the tray and the goal. What one gives is in `giving.ts`. */

import { Problem } from "../account/problem";
import type { ChatPanel } from "../chat/panel";
import { t } from "../i18n";
import { field, parsedJson, text } from "../lib/json";
import { roomPath } from "../room/connection";
import type { Gift } from "../room/gift";
import type { RoomEvent } from "../room/protocol";
import type { Room } from "../room/room";
import type { PageAccount } from "../ui/watch-account";
import { GiftAnnouncer } from "./announce";
import { LeaderboardDrawer } from "./board";
import { fetchCatalogue, type Item, lookOf } from "./catalogue";
import { Giving } from "./giving";
import { gave, type Goal, type GoalState, NO_GOAL, noticed, parseGoal, reachedBy, told } from "./goal";
import { GoalBar } from "./goal-bar";
import { Rounds } from "./rounds";
import { Seen } from "./seen";
import { GiftStage } from "./stage";
import { GiftTray } from "./tray";

const SEEN_MAX = 4096;
/** What comes later than this after it happened is a line in the chat, and no play. */
const LATE_MS = 30_000;

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
  readonly #giving: Giving;
  readonly #goalBar: GoalBar;
  readonly #board: LeaderboardDrawer;
  /** What is counted here does not know of all that the edge counts. */
  readonly #rounds = new Rounds({ ask: () => this.#ask(), isVisible: () => document.visibilityState === "visible" });
  #items: ReadonlyMap<string, Item> = new Map();
  #goal: GoalState = NO_GOAL;
  #goalDrawn: Goal | null = null;
  #goalAsked = 0;
  #asking = false;

  constructor(options: RoomGiftsOptions) {
    const { stream, room, panel, account, player } = options;
    const { session } = account;
    this.#options = options;
    this.#giving = new Giving({
      stream,
      room,
      account,
      frame: panel.element,
      onOpen: () => this.#board.toggle(false),
      onGiven: (id, item, count) => this.#playOwn(id, item, count),
      onUnknown: () => void this.#load(),
      say: (words) => this.#announcer.say(words),
    });
    this.#goalBar = new GoalBar(session, account.form, stream, (goal) => this.#learnGoal(goal));
    this.#board = new LeaderboardDrawer(session, stream, (open) => {
      const { drawer } = this.#giving;
      drawer.toggle(drawer.isOpen && !open);
      panel.cover(open);
    });
    panel.onDrawer = () => this.#board.toggle(false);
    player.append(this.#stage.element, this.#tray.element);
    account.nameOf = (item) => this.#items.get(item)?.name ?? item;
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

  /** A connection has begun: the first, or again, and then that of all others here may have, too. */
  welcome(): void {
    if (this.#goalAsked === 0) {
      this.#ask();
    } else {
      this.#rounds.soon();
    }
  }

  #ask(): void {
    void this.#askGoal();
    if (this.#items.size === 0) {
      void this.#load();
    }
  }

  #take(gift: Gift, atMs: number): void {
    if (!this.#seen.add(gift.id)) {
      return;
    }
    const { account, room } = this.#options;
    this.#goal = gave(this.#goal, gift.points, atMs);
    this.#drawGoal();
    if (gift.combo !== null) {
      this.#giving.windowMs = gift.combo.windowMs;
    }
    // Of one's own the answer may have come before; else it was given on another device.
    const isNew = this.#played.add(gift.id);
    if (isNew && gift.sender.id === account.session.user?.id) {
      this.#giving.refreshSoon();
    }
    if (document.visibilityState === "hidden" || this.#isLate(atMs)) {
      return;
    }
    const look = lookOf(gift, this.#items);
    this.#tray.add(gift, look);
    if (isNew) {
      this.#stage.show({ ...look, item: gift.item, sender: gift.sender.name, senderId: gift.sender.id, count: gift.count });
    }
    if (gift.sender.id !== room.me) {
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
        this.#reach(payload, atMs);
        break;
      case "gift_refunded":
        // It may be one's own.
        this.#giving.refreshSoon();
        if (this.#goal.goal !== null) {
          this.#rounds.soon();
        }
        break;
      default:
    }
  }

  /** Who gives sees it at once; the room's own word comes in step with the picture, which is behind. */
  #playOwn(id: string, { emoji, name, tier, durationMs, id: item }: Item, count: number): void {
    const { user } = this.#options.account.session;
    if (user !== null && id !== "" && this.#played.add(id)) {
      this.#stage.show({ emoji, name, tier, durationMs, item, sender: user.name, senderId: user.id, count });
    }
  }

  #follow(): void {
    const { account, room } = this.#options;
    this.#giving.follow();
    if (account.session.accounts === "there" && this.#items.size === 0) {
      void this.#load();
      // A connection that begins asks by itself.
      void (room.link === "open" ? this.#askGoal() : undefined);
    }
  }

  /** Where nobody has an account nobody can give: the page is as without gifts. */
  async #load(): Promise<void> {
    const { account, stream } = this.#options;
    if (account.session.accounts !== "there" || this.#asking) {
      return;
    }
    this.#asking = true;
    try {
      const items = await fetchCatalogue(account.session, stream);
      if (items.length > 0 || this.#items.size > 0) {
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
    const { drawer } = this.#giving;
    this.#items = new Map(items.map((item) => [item.id, item]));
    drawer.set(items);
    places.beside.append(drawer.button);
    places.sheet.append(drawer.element);
    places.head.append(this.#board.button);
    places.over.append(this.#board.element);
    places.above.append(this.#goalBar.element);
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

  #reach(payload: string, atMs: number): void {
    const { state, celebrates } = reachedBy(this.#goal, payload, atMs);
    this.#goal = state;
    if (celebrates && state.goal !== null && !this.#isLate(atMs)) {
      const words = t("goal.reachedTitle", { title: state.goal.title });
      this.#stage.celebrate(words);
      this.#announcer.say(words);
    }
    this.#drawGoal();
  }

  #isLate(atMs: number): boolean {
    const { room } = this.#options;
    return room.nowMs() - atMs > LATE_MS + room.holdMs;
  }

  #drawGoal(): void {
    const { goal } = this.#goal;
    this.#rounds.follow(goal !== null);
    if (goal !== this.#goalDrawn) {
      this.#goalDrawn = goal;
      this.#goalBar.draw(goal);
    }
  }
}
