import { expect, it, vi } from "vitest";
import { AccountDialogs } from "./dialogs";
import type { FormDialog, FormSpec } from "./form";
import type { Session } from "./session";

it("another name comes into the token, by which rooms know it, before the page says it", async () => {
  const done: string[] = [];
  const session = {
    user: { name: "Ann" },
    token: "t1",
    json: (path: string) => (done.push(path), Promise.resolve({ id: "u-1", name: "Anna" })),
    renew: (shown: string) => (done.push(`renew ${shown}`), Promise.resolve("later")),
    learn: ({ name }: { name: string }) => done.push(`learn ${name}`),
  };
  const open = vi.fn<(spec: FormSpec) => void>();
  new AccountDialogs(session as unknown as Session, { open } as unknown as FormDialog).rename();
  await open.mock.calls[0]?.[0].run({ name: "Anna" });
  expect(done).toEqual(["/api/me", "renew t1", "learn Anna"]);
});
