/** The operator's tokens: kept for this tab only, and sent nowhere but to this edge. */

export type TokenKind = "registry" | "edge";

const KEYS: Readonly<Record<TokenKind, string>> = { registry: "weir.token.registry", edge: "weir.token.edge" };

export function recallToken(kind: TokenKind): string | null {
  try {
    return sessionStorage.getItem(KEYS[kind]) || null;
  } catch {
    return null;
  }
}

export function rememberToken(kind: TokenKind, token: string): void {
  try {
    if (token === "") {
      sessionStorage.removeItem(KEYS[kind]);
    } else {
      sessionStorage.setItem(KEYS[kind], token);
    }
  } catch {
    // A browser that keeps nothing: the token has to be entered again after a reload.
  }
}
