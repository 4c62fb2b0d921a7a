/** What one does with one's account, as forms. */

import { t } from "../i18n";
import { toast } from "../chat/moderation";
import type { FieldSpec, FormDialog } from "./form";
import { asProblem, Problem } from "./problem";
import type { Session } from "./session";
import { problemWords } from "./words";

/** As the origin has it. */
const PASSWORD_CHARACTERS_MIN = 8;
const ABOUT = {
  "login-taken": "login", "bad-login": "login",
  "name-taken": "name", "bad-name": "name",
  "bad-password": "password", "common-password": "password", "wrong-credentials": "password", "wrong-password": "password",
} as const;
const POST = (body?: unknown): RequestInit => ({ method: "POST", body: JSON.stringify(body ?? {}), signal: AbortSignal.timeout(20_000) });

export class AccountDialogs {
  readonly #session: Session;
  readonly #form: FormDialog;

  constructor(session: Session, form: FormDialog) {
    this.#session = session;
    this.#form = form;
  }

  /** `why`: what one has to be signed in for. */
  signIn(why?: string): void {
    this.#form.open({
      id: "sign-in",
      title: t("account.signIn"),
      ...(why === undefined ? {} : { text: why }),
      fields: [LOGIN(), { name: "password", label: t("account.password"), type: "password", autocomplete: "current-password" }],
      submit: t("account.signIn"),
      other: { label: t("account.toRegister"), run: () => this.register(why) },
      about: ABOUT,
      run: async ({ login = "", password = "" }) => {
        await this.#session.signIn(login.trim(), password);
        toast(t("account.hello", { name: this.#session.user?.name ?? login }));
      },
    });
  }

  register(why?: string): void {
    this.#form.open({
      id: "register",
      title: t("account.register"),
      ...(why === undefined ? {} : { text: why }),
      fields: [
        { ...LOGIN(), hint: t("account.loginHint") },
        { name: "name", label: t("account.name"), hint: t("account.nameHint"), autocomplete: "nickname" },
        NEW_PASSWORD("password", t("account.password")),
      ],
      submit: t("account.register"),
      other: { label: t("account.toSignIn"), run: () => this.signIn(why) },
      about: ABOUT,
      check: ({ password = "" }) => checkPassword(password),
      run: async ({ login = "", name = "", password = "" }) => {
        await this.#session.register(login.trim(), name.trim(), password);
        toast(t("account.hello", { name: this.#session.user?.name ?? name }));
      },
    });
  }

  rename(): void {
    this.#form.open({
      id: "rename",
      title: t("account.rename"),
      fields: [{ name: "name", label: t("account.name"), hint: t("account.nameHint"), autocomplete: "nickname", value: this.#session.user?.name ?? "" }],
      submit: t("account.save"),
      about: ABOUT,
      run: async ({ name = "" }) => {
        const user = await this.#session.json("/api/me", { method: "PATCH", body: JSON.stringify({ name: name.trim() }) });
        // The name is in the token, by which rooms know it.
        await this.#session.renew(this.#session.token);
        this.#session.learn(user);
      },
    });
  }

  changePassword(): void {
    const login = this.#session.user?.login ?? "";
    this.#form.open({
      id: "password",
      title: t("account.changePassword"),
      text: t("account.changePasswordText"),
      fields: [
        { name: "username", label: "", autocomplete: "username", value: login, silent: true },
        { name: "present", label: t("account.present"), type: "password", autocomplete: "current-password" },
        NEW_PASSWORD("next", t("account.newPassword")),
      ],
      submit: t("account.save"),
      about: { "wrong-password": "present", "bad-password": "next", "common-password": "next" },
      check: ({ next = "" }) => checkPassword(next),
      run: async ({ present = "", next = "" }) => {
        await ownPassword(this.#session.json("/api/me/password", POST({ present, next })));
        toast(t("account.passwordChanged"));
        try {
          // All sign-ins have ended, this one with them.
          await this.#session.signIn(login, next);
        } catch {
          this.#session.forget();
        }
      },
    });
  }

  signOutEverywhere(): void {
    this.#form.open({
      id: "everywhere",
      title: t("account.everywhere"),
      text: t("account.everywhereText"),
      fields: [],
      submit: t("account.everywhere"),
      run: async () => {
        await this.#session.json("/api/me/sign-out-everywhere", POST());
        this.#session.forget();
        toast(t("account.signedOut"));
      },
    });
  }

  erase(): void {
    this.#form.open({
      id: "erase",
      title: t("account.erase"),
      warning: t("account.eraseText"),
      fields: [
        { name: "username", label: "", autocomplete: "username", value: this.#session.user?.login ?? "", silent: true },
        { name: "password", label: t("account.password"), type: "password", autocomplete: "current-password" },
      ],
      submit: t("account.eraseConfirm"),
      danger: true,
      about: ABOUT,
      run: async ({ password = "" }) => {
        await ownPassword(this.#session.json("/api/me/erase", POST({ password })));
        this.#session.forget();
        toast(t("account.erased"));
      },
    });
  }

  async signOut(): Promise<void> {
    try {
      await this.#session.signOut();
      toast(t("account.signedOut"));
    } catch (error) {
      toast(problemWords(asProblem(error)));
    }
  }

  /** All that is kept of a person, as a file. */
  async export(): Promise<void> {
    try {
      const response = await this.#session.fetch("/api/me/export", { signal: AbortSignal.timeout(60_000) });
      if (!response.ok) {
        throw new Problem(response.status, "unavailable");
      }
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await response.blob());
      link.download = `weir-${this.#session.user?.login ?? "data"}.json`;
      link.click();
      window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (error) {
      toast(problemWords(asProblem(error)));
    }
  }
}

/** Who is signed in has the right login. */
async function ownPassword(answer: Promise<unknown>): Promise<void> {
  try {
    await answer;
  } catch (error) {
    const { status, code, detail, retryAfterMs } = asProblem(error);
    throw new Problem(status, code === "wrong-credentials" ? "wrong-password" : code, detail, retryAfterMs);
  }
}

const LOGIN = (): FieldSpec => ({ name: "login", label: t("account.login"), autocomplete: "username" });
const NEW_PASSWORD = (name: string, label: string): FieldSpec => ({ name, label, hint: t("account.passwordHint", { n: PASSWORD_CHARACTERS_MIN }), type: "password", autocomplete: "new-password" });

function checkPassword(password: string): string | null {
  return new TextEncoder().encode(password).length < PASSWORD_CHARACTERS_MIN ? "bad-password" : null;
}
