/** A menu that opens at a button: arrows move, Esc and a press elsewhere close, the focus goes back where it came from. */

import { make } from "../ui/dom";

export interface Item {
  readonly label: string;
  readonly danger?: boolean;
  /** For items that are on or off. */
  readonly checked?: boolean;
  run(): void;
}

let close: (() => void) | null = null;

export function closePopup(): void {
  close?.();
}

/** Opens beside `anchor`, inside of `frame` (which is positioned). */
export function openPopup(anchor: HTMLElement, frame: HTMLElement, label: string, groups: readonly (readonly Item[])[]): void {
  closePopup();
  const menu = make("div", "popup");
  menu.setAttribute("role", "menu");
  menu.setAttribute("aria-label", label);
  for (const group of groups) {
    if (group.length > 0 && menu.childElementCount > 0) {
      const line = make("div", "popup-line");
      line.setAttribute("role", "separator");
      menu.append(line);
    }
    menu.append(...group.map(itemElement));
  }
  const listeners = new AbortController();
  const { signal } = listeners;
  const shut = (): void => {
    const had = menu.contains(document.activeElement) || document.activeElement === document.body;
    close = null;
    listeners.abort();
    menu.remove();
    anchor.setAttribute("aria-expanded", "false");
    if (had) {
      (anchor.isConnected && anchor.offsetParent !== null ? anchor : frame).focus({ preventScroll: true });
    }
  };
  close = shut;
  menu.addEventListener("click", () => shut());
  menu.addEventListener("keydown", (event) => handleKey(event, menu, shut));
  document.addEventListener(
    "pointerdown",
    (event) => {
      if (event.target instanceof Node && !menu.contains(event.target) && !anchor.contains(event.target)) {
        shut();
      }
    },
    { signal, capture: true },
  );
  window.addEventListener("resize", shut, { signal });
  anchor.setAttribute("aria-expanded", "true");
  frame.append(menu);
  place(menu, anchor, frame);
  menu.querySelector<HTMLElement>("button")?.focus({ preventScroll: true });
}

function itemElement(item: Item): HTMLElement {
  const button = make("button", item.danger === true ? "danger" : "", item.label);
  button.type = "button";
  button.tabIndex = -1;
  button.setAttribute("role", item.checked === undefined ? "menuitem" : "menuitemradio");
  if (item.checked !== undefined) {
    button.setAttribute("aria-checked", String(item.checked));
  }
  button.addEventListener("click", () => item.run());
  return button;
}

/** Above or below the anchor, whichever has room. */
function place(menu: HTMLElement, anchor: HTMLElement, frame: HTMLElement): void {
  const around = frame.getBoundingClientRect();
  const at = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = at.bottom + 4 - around.top;
  const top = below + height <= around.height - 8 ? below : Math.max(8, Math.min(at.top - 4 - around.top - height, around.height - height - 8));
  const left = Math.min(Math.max(8, at.right - around.left - width), around.width - width - 8);
  menu.style.top = `${Math.round(Math.max(8, top))}px`;
  menu.style.left = `${Math.round(Math.max(8, left))}px`;
}

function handleKey(event: KeyboardEvent, menu: HTMLElement, shut: () => void): void {
  const items = [...menu.querySelectorAll("button")];
  const at = items.findIndex((item) => item === document.activeElement);
  const to = { ArrowDown: (at + 1) % items.length, ArrowUp: (at - 1 + items.length) % items.length, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === "Escape" || event.key === "Tab") {
    shut();
  } else if (to !== undefined) {
    items[to]?.focus();
  } else {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}
