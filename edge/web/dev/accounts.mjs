// Accounts to try the pages against, as `dev/rooms.mjs` serves them: sign-in, wallet, history. All of it is forgotten at the end.
//
// Who there is: ann, host (broadcaster of demo), mod (moderator of demo), poor (5 coins), staff; each password is the login with
// "-password" behind it. ACCOUNTS=0 has none. ACCESS_S=20 lets access tokens end soon. Not shipped.

const ACCESS_S = Number(process.env.ACCESS_S ?? 600);
const LOCK_TRIES = 5;
const users = new Map();
const access = new Map();
const refreshes = new Map();
const failures = new Map();
let number = 0;

const random = () => Math.random().toString(36).slice(2);

export function addUser(login, name, coins, more = {}) {
  const user = { id: `u-${login}`, login, name, roles: [], rooms: {}, password: `${login}-password`, created_at_ms: Date.now(), coins, held: 0, lines: [], ...more };
  users.set(user.id, user);
  if (coins !== 0) entry(user, "topup", coins, { note: "Welcome!" });
  return user;
}

export function entry(user, kind, amount, more = {}) {
  user.lines.unshift({ seq: ++number, at_ms: Date.now(), kind, amount, currency: "coin", ...more });
}

addUser("ann", "Ann", 25_000);
addUser("host", "Marta Oliveira", 500, { rooms: { demo: ["broadcaster"] } });
addUser("mod", "Jun", 500, { rooms: { demo: ["moderator"] } });
addUser("poor", "Poor Tom", 5);
addUser("staff", "Sam", 0, { roles: ["staff"] });

const wire = ({ id, login, name, roles, rooms, created_at_ms }) => ({ id, login, name, roles, rooms, created_at_ms });
const find = (login) => [...users.values()].find((user) => user.login === login);

/** Who an access token is of, or undefined. */
export function whoHas(token) {
  const known = access.get(token);
  return known !== undefined && known.untilMs > Date.now() ? users.get(known.id) : undefined;
}

/** How long an access token is good still, ms; null for what is none. */
export const leftOf = (token) => (access.has(token) ? access.get(token).untilMs - Date.now() : null);

/** Somebody as rooms know them. */
export const roomUser = (user, room) => ({ id: user.id, name: user.name, roles: [...user.roles, ...(user.rooms[room] ?? [])], level: 0 });

export const wallet = (user) => ({ currency: "coin", balance: user.coins + user.held, available: user.coins, held: user.held });

/** Answers `/api/accounts`, `/api/session`, `/api/me`, `/api/wallet`; false for whatever else. */
export async function accounts(request, url, answer, bodyOf) {
  const { pathname } = url;
  if (!/^\/api\/(accounts|session|me|wallet)(\/|$)/.test(pathname)) return false;
  if (process.env.ACCOUNTS === "0") return answer.problem(404, "not-found", "no accounts here");
  const body = ["POST", "PATCH", "PUT"].includes(request.method) ? await bodyOf(request) : {};
  const cookie = /weir_refresh=([^;]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "";
  const session = (user, status = 200) => {
    const token = `acc-${random()}`;
    const refresh = random();
    access.set(token, { id: user.id, untilMs: Date.now() + ACCESS_S * 1000 });
    refreshes.set(refresh, user.id);
    answer.json(status, { access_token: token, token_type: "Bearer", expires_in: ACCESS_S, user: wire(user) }, { "Set-Cookie": `weir_refresh=${refresh}; HttpOnly; SameSite=Strict; Path=/api/session` });
  };
  const nameTaken = (name, mine) => [...users.values()].some((user) => user !== mine && user.name.toLowerCase() === name.toLowerCase());
  const endAll = (id) => {
    for (const map of [refreshes, access]) for (const [token, known] of map) if ((known.id ?? known) === id) map.delete(token);
  };
  switch (`${request.method} ${pathname}`) {
    case "GET /api/accounts":
      return answer.json(200, { enabled: true, registration: true });
    case "POST /api/accounts": {
      if (!/^[a-z0-9][a-z0-9._-]{1,62}[a-z0-9]$/.test(body.login ?? "")) return answer.problem(422, "bad-login", "not a login");
      if (find(body.login)) return answer.problem(409, "login-taken", "taken");
      if (nameTaken(body.name)) return answer.problem(409, "name-taken", "taken");
      if (body.password.length < 8) return answer.problem(422, "bad-password", "too short");
      if (/^password|^12345678/.test(body.password)) return answer.problem(422, "common-password", "common");
      return session(addUser(body.login, body.name, 1000, { password: body.password }), 201);
    }
    case "POST /api/session": {
      const tries = failures.get(body.login) ?? 0;
      if (tries >= LOCK_TRIES) return answer.problem(429, "locked", "locked", { retry_after_ms: 90_000 });
      const user = find(body.login);
      if (user?.password !== body.password) {
        failures.set(body.login, tries + 1);
        return answer.problem(401, "wrong-credentials", "wrong");
      }
      failures.delete(body.login);
      return session(user);
    }
    case "POST /api/session/refresh": {
      const user = users.get(refreshes.get(cookie));
      if (user === undefined) return answer.problem(401, "signed-out", "no session");
      refreshes.delete(cookie);
      return session(user);
    }
    case "POST /api/session/end":
      refreshes.delete(cookie);
      return answer.empty();
  }
  const me = whoHas((request.headers.authorization ?? "").replace("Bearer ", ""));
  if (me === undefined) return answer.problem(401, "signed-out", "sign in");
  switch (`${request.method} ${pathname}`) {
    case "GET /api/me":
      return answer.json(200, wire(me));
    case "PATCH /api/me":
      if (body.name.length > 24) return answer.problem(422, "bad-name", "too long");
      if (nameTaken(body.name, me)) return answer.problem(409, "name-taken", "taken");
      me.name = body.name;
      return answer.json(200, wire(me));
    case "POST /api/me/password":
      if (body.present !== me.password) return answer.problem(401, "wrong-credentials", "wrong");
      me.password = body.next;
      endAll(me.id);
      return answer.empty();
    case "POST /api/me/sign-out-everywhere":
      endAll(me.id);
      return answer.empty();
    case "GET /api/me/export":
      return answer.json(200, { user: wire(me), wallet: wallet(me), history: me.lines });
    case "POST /api/me/erase":
      if (body.password !== me.password) return answer.problem(401, "wrong-credentials", "wrong");
      endAll(me.id);
      users.delete(me.id);
      return answer.empty();
    case "GET /api/wallet":
      return answer.json(200, wallet(me));
    case "GET /api/wallet/history": {
      const before = Number(url.searchParams.get("before") ?? Infinity);
      const limit = Number(url.searchParams.get("limit") ?? 30);
      const left = me.lines.filter(({ seq }) => seq < before);
      return answer.json(200, { items: left.slice(0, limit), next: left.length > limit ? left[limit - 1].seq : null });
    }
    default:
      return answer.problem(404, "not-found", "no such thing");
  }
}
