/** Keys of the watch page. They never take a key away from a control that has the focus and uses it. */

export type Shortcuts = Readonly<Record<string, () => void>>;

/** Installs the table `key -> action`; keys are `KeyboardEvent.key` in lower case. */
export function installShortcuts(shortcuts: Shortcuts): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || usesKey(event)) {
      return;
    }
    const action = shortcuts[event.key.toLowerCase()];
    if (action !== undefined && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      action();
    }
  });
}

function usesKey(event: KeyboardEvent): boolean {
  const { target, key } = event;
  if (target instanceof HTMLInputElement) {
    return key.startsWith("Arrow") || target.type !== "range";
  }
  if (target instanceof HTMLSelectElement) {
    // Letters choose.
    return true;
  }
  const pressable = target instanceof HTMLButtonElement || target instanceof HTMLAnchorElement;
  return pressable && (key === " " || key === "Enter");
}
