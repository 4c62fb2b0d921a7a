// Somebody signs in and gives, others look on, the broadcaster and staff do what is theirs, in Debian's Chromium, at two edges;
// prints what they saw as JSON.
//
//   node gifts.mjs EDGE_1 EDGE_2 ROOM PASSWORD SPKI,SPKI [SHOTS_DIRECTORY]
//
// `ann` has coins, `hugo` is the room's broadcaster, `stella` is staff; all have the same password. Every step waits for what it is
// about to look at, and fails by its name when that does not come.

import { launch, newContext, noteRoomErrors, report, shooter, WAIT_MS } from "./lib/chromium.mjs";

const [first, second, room, password, spkis, shots] = process.argv.slice(2);
const WATCH = `/watch/${room}`;

const errors = [];
const seen = {};
const shot = shooter(shots, "gifts");
const browser = await launch(spkis);

/** A page that takes notes: `page.told` are the gifts that its connections told of, `page.you` whose they were. */
async function open(url, context = null) {
  const page = await (context ?? (await newContext(browser, { colorScheme: "dark" }))).newPage();
  Object.assign(page, { told: [], you: [], wrong: 0 });
  noteRoomErrors(page, errors, (_words, from) => from.endsWith("/api/session") && page.wrong-- > 0);
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => hear(page, JSON.parse(String(payload)))));
  await page.addInitScript(count);
  await page.goto(url);
  return page;
}

function hear(page, message) {
  if (message.type === "you") {
    page.you.push(message.user.id);
  }
  for (const { body } of message.events ?? []) {
    if (body.type === "gift") {
      page.told.push([body.id, body.combo?.count ?? 0]);
    }
  }
}

/**
 * In the page: what rises over the picture is gone in a moment, and a series in three seconds, so they are counted as they come.
 * `roses` rose; `series` is the longest one in a slot, `own` that in the drawer.
 */
function count() {
  Object.assign(window, { roses: 0, series: 0, own: 0 });
  const number = (element) => Number(element?.textContent.replace(/\D/g, "") || 1);
  const longest = (before, selector) => Math.max(before, ...[...document.querySelectorAll(selector)].map(number));
  new MutationObserver((changes) => {
    for (const node of changes.flatMap(({ addedNodes }) => [...addedNodes])) {
      if (node instanceof Element && node.matches(".gift-rise")) {
        window.roses += number(node.querySelector(".gift-times"));
      }
    }
    window.series = longest(window.series, ".gift-run .gift-times");
    window.own = longest(window.own, ".gift-item.running .gift-own");
  }).observe(document, { childList: true, subtree: true });
}

/** As one reads it: without the characters that keep the direction of names to themselves. */
const plain = (words) => words.replace(/[\u2066-\u2069]/g, "").replace(/\s+/g, " ").trim();
const text = async (page, selector) => plain(await page.locator(selector).first().innerText());
const texts = async (page, selector) => (await page.locator(selector).allInnerTexts()).map(plain);
/** As `text`, once there is some. */
const some = async (page, selector) => plain(await page.locator(selector, { hasText: /\S/ }).first().innerText());

/** Waits for what is known here and not in a page. */
async function until(what, isSo) {
  const end = performance.now() + WAIT_MS;
  while (!isSo()) {
    if (performance.now() > end) {
      throw new Error(`${what} does not come`);
    }
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Waits until the bar says that somebody has so many coins. */
async function coins(page, count) {
  await page.locator(`.account-button[aria-label$=", ${count.toLocaleString("en-GB")} coins"]`).waitFor();
  return count;
}

async function fillSignIn(page, login, secret) {
  await page.fill("#sign-in-login", login);
  await page.fill("#sign-in-password", secret);
  await page.press("#sign-in-password", "Enter");
}

async function signIn(page, login) {
  await page.click(".sign-in");
  await fillSignIn(page, login, password);
  await page.locator(".account-button").waitFor();
}

/** Signs in, after a slip. */
async function arrive() {
  const ann = await open(first + WATCH);
  await ann.click(".sign-in");
  ann.wrong = 1;
  await fillSignIn(ann, "ann", `not ${password}`);
  seen.wrongPassword = await some(ann, "#sign-in-password-error");
  await shot(ann, "sign-in");
  await fillSignIn(ann, "ann", password);
  seen.coins = [await coins(ann, 75)];
  await ann.locator(".form-dialog").waitFor({ state: "hidden" });
  return ann;
}

/** Three roses in a row: one series, three gifts. */
async function giveRoses(ann, eve) {
  const given = new Set();
  ann.on("response", async (response) => {
    const isGift = response.request().method() === "POST" && response.url().endsWith(`/api/rooms/${room}/gifts`);
    if (isGift && [200, 201].includes(response.status())) {
      // The page may be gone before what it was told is read.
      const { id } = await response.json().catch(() => ({}));
      given.add(id);
      given.delete(undefined);
    }
  });
  await ann.click(".gift-button");
  const rose = ann.locator('[data-item="rose"]');
  await rose.waitFor();
  // At once: a series ends three seconds after a tap, however slow the machine is.
  await rose.evaluate((button) => [1, 2, 3].forEach(() => button.click()));
  await ann.waitForFunction(() => window.own === 3);
  await shot(ann, "combo");
  await eve.waitForFunction(() => window.series === 3);
  await eve.locator(".line.gift", { hasText: "× 3" }).waitFor();
  await shot(eve, "others");
  seen.coins.push(await coins(ann, 45));
  await Promise.all([ann, eve].map((page) => page.waitForFunction(() => window.roses > 0)));
  // Its end is told, too: what came until then is all of it.
  await eve.waitForFunction(() => document.querySelector(".gift-run") === null);
  seen.roses = await Promise.all([ann, eve].map((page) => page.evaluate(() => window.roses)));
  await until("the third answer", () => given.size === 3);
  seen.given = [...given];
  seen.told = [...eve.told];
  seen.lines = [await texts(eve, ".line.gift .text")];
}

async function loadAgain(ann, eve) {
  await Promise.all([ann.reload(), eve.reload()]);
  seen.coins.push(await coins(ann, 45));
  await eve.locator(".line.gift", { hasText: "× 3" }).waitFor();
  seen.lines.push(await texts(eve, ".line.gift .text"));
}

async function fallShort(ann) {
  await ann.click(".gift-button");
  // By key, here and below: on a machine that is busy a click may last as long as a long press.
  await ann.locator('[data-item="applause"][aria-disabled="true"]').press("Enter");
  seen.short = await some(ann, ".gift-status.bad");
  await shot(ann, "short");
}

const isNobody = ({ you }) => you.at(-1)?.startsWith("listener-") === true;

/** Whether the room knows who it is, and the page lets them moderate. */
async function isRuling(page) {
  try {
    await until("a connection of somebody's", () => page.you.length > 0 && !isNobody(page));
    await page.locator("#no-token").waitFor({ state: "hidden" });
    return true;
  } catch {
    return false;
  }
}

/** What today brought, and a goal that everybody sees. */
async function broadcast(ann, eve) {
  const hugo = await open(`${first}/studio/${room}`);
  await signIn(hugo, "hugo");
  await hugo.locator(".earn-balance output", { hasText: "diamonds" }).waitFor();
  await hugo.locator(".gift-list li").nth(2).waitFor();
  await hugo.click(".chart-table summary");
  seen.studio = {
    balance: await text(hugo, ".earn-balance output"),
    day: await texts(hugo, ".chart-table tbody tr:first-child td"),
    gifts: await texts(hugo, ".gift-list li"),
    moderates: await isRuling(hugo),
  };
  await hugo.fill('.goal-form [name="title"]', "A new microphone");
  await hugo.fill('.goal-form [name="target"]', "500");
  await hugo.press('.goal-form [name="target"]', "Enter");
  await hugo.locator(".earn-goal .goal-title", { hasText: "A new microphone" }).waitFor();
  await eve.locator(".goal-title", { hasText: "A new microphone" }).waitFor();
  seen.goal = [await text(eve, ".goal-figures")];
  await ann.locator('[data-item="rose"]').press("Enter");
  await eve.locator(".goal-figures", { hasText: /\b10\W+of/ }).waitFor();
  seen.goal.push(await text(eve, ".goal-figures"));
  await hugo.locator(".earn-balance output", { hasText: /\b20\W+diamonds/ }).waitFor();
  await shot(hugo, "studio", { fullPage: true });
  await shot(eve, "goal");
}

/** The staff's page: closed to others, and coins and a ledger that adds up. */
async function manage(ann) {
  const visitor = await open(`${first}/admin`, ann.context());
  await visitor.locator(".gate h1", { hasText: "This page is for staff" }).waitFor();
  seen.visitor = await text(visitor, ".gate");
  await shot(visitor, "no-staff");
  await visitor.close();
  const stella = await open(`${second}/admin`);
  await stella.fill(".gate-form [name=login]", "stella");
  await stella.fill(".gate-form [name=password]", password);
  await stella.press(".gate-form [name=password]", "Enter");
  const others = stella.locator(".users a.row", { hasText: "hugo" });
  await others.waitFor();
  await stella.fill('[data-form="search"] [name=login]', "ann");
  await stella.press('[data-form="search"] [name=login]', "Enter");
  await others.waitFor({ state: "detached" });
  await stella.click(".users a.row");
  await stella.locator(".split-sheet .big", { hasText: "35 coins" }).waitFor();
  await stella.fill('[data-form="credit"] [name=amount]', "1,000");
  await stella.fill('[data-form="credit"] [name=note]', "paid in cash");
  await stella.click('[data-form="credit"] button');
  await stella.locator("#ask-confirm", { hasText: "1,000" }).waitFor();
  await shot(stella, "credit");
  await stella.click("#ask-confirm");
  seen.credited = await some(stella, ".outcome-line.good span");
  await stella.locator(".split-sheet .big", { hasText: "1,035 coins" }).waitFor();
  await shot(stella, "user");
  await stella.click('#tabs a[href="#ledger"]');
  await stella.click('[data-do="verify"]');
  await stella.locator(".verdict").waitFor();
  await stella.locator(".verdict.good").waitFor();
  seen.verdict = await text(stella, ".verdict-word");
  await shot(stella, "ledger");
}

async function lookIntoWallet(ann) {
  await ann.click(".account-button");
  await ann.click('.popup [role="menuitem"] >> nth=0');
  await ann.locator(".wallet-balance", { hasText: "1,035" }).waitFor();
  await ann.locator(".wallet-list li", { hasText: "1,000" }).waitFor();
  const [what, amount] = await Promise.all([text(ann, ".wallet-list .wallet-what"), text(ann, ".wallet-list .wallet-amount")]);
  seen.wallet = [await text(ann, ".wallet-balance"), `${what} ${amount}`];
  await shot(ann, "wallet");
  await ann.keyboard.press("Escape");
  await coins(ann, 1035);
}

/** Who signs out is nobody in the room, and gives nothing. */
async function leave(ann) {
  seen.roomsOf = [ann.you.at(-1)];
  await ann.click(".account-button");
  await ann.click('.popup [role="menuitem"]:text-is("Sign out")');
  await ann.locator(".sign-in").waitFor();
  await until("a connection of nobody's", () => isNobody(ann));
  seen.roomsOf.push(ann.you.at(-1));
  await ann.locator(".gift-status", { hasText: "Sign in" }).waitFor();
  seen.left = await text(ann, ".gift-status");
  await shot(ann, "signed-out");
}

await report(browser, seen, errors, async () => {
  const eve = await open(second + WATCH);
  await eve.locator(".gift-button").waitFor();
  const ann = await arrive();
  await giveRoses(ann, eve);
  await loadAgain(ann, eve);
  await fallShort(ann);
  await broadcast(ann, eve);
  await manage(ann);
  await lookIntoWallet(ann);
  await leave(ann);
});
