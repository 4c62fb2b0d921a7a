/** Icons of the chat, added to the page's sprite: both pages that have a chat need the same ones. */

import { makeSvg } from "../ui/dom";

const ICONS: Readonly<Record<string, string>> = {
  heart: "M12 20s-7.5-4.6-9-9.3C2 7.3 4 4.5 7 4.500c2 0 3.8 1.2 5 3 1.2-1.8 3-3 5-3 3 0 5 2.8 4 6.200C19.5 15.4 12 20 12 20z",
  send: "M4 12 20 4.5 15.5 20l-4-6.500zM20 4.500l-8.5 9",
  people: "M9 11.500a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 19.500c.5-3.5 3-5.5 6.5-5.500s6 2 6.5 5.500M16 5a3.5 3.5 0 0 1 0 6.300M18 14.500c2 .8 3.2 2.5 3.5 5",
  chat: "M4 5.500h16v11H11l-5 4v-4H4z",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  options: "M4 7h9m4 0h3M4 17h3m4 0h9M15 4.800a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.400zM9 14.800a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.400z",
  shield: "M12 3.5 19 6v5.500c0 4.5-3 7.5-7 9-4-1.5-7-4.5-7-9V6z",
  pin: "M9 4h6l-.8 6 3.3 3.500h-11L9.8 10zM12 13.500V20",
  close: "M6 6l12 12M18 6 6 18",
  reply: "M10 6 4.5 11.5 10 17M5 11.500h8.500c3.5 0 6 2 6 6",
  down: "M12 5v13M6 12.500l6 6 6-6",
  fill: "M4 9V4.500h5M20 15v4.500h-5M4.5 4.500l6 6M19.5 19.500l-6-6",
  person: "M12 11.500a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.500c.6-4 3.500-6.500 7.500-6.500s6.900 2.500 7.500 6.500",
  coin: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9z",
  gift: "M4.500 12v8.500h15V12M3 7.500h18V12H3zM12 7.500v13M12 7.500c-2 0-5-.5-5-2.700C7 3.500 8 3 9 3c2 0 3 2.500 3 4.500zM12 7.500c2 0 5-.5 5-2.700C17 3.500 16 3 15 3c-2 0-3 2.500-3 4.500z",
  trophy: "M7 4h10v6a5 5 0 0 1-10 0zM7 5.500H3.500c0 3.500 1.500 5.500 4 5.500M17 5.500h3.500c0 3.500-1.500 5.500-4 5.500M12 15v4M8 20.500h8",
  edit: "M4 20l1-4.500L16.500 4 20 7.500 8.500 19z",
  "role-broadcaster": "M12 14.500a3 3 0 0 0 3-3v-5a3 3 0 0 0-6 0v5a3 3 0 0 0 3 3zM6 11.500a6 6 0 0 0 12 0M12 17.500V21",
  "role-staff": "M14.5 5a4.5 4.5 0 0 0-4.3 6L4 17.2 6.8 20l6.2-6.200a4.5 4.5 0 0 0 5.7-5.600l-2.7 2.7-2.5-.4-.4-2.5 2.7-2.700z",
  "role-moderator": "M12 3.5 19 6v5.500c0 4.5-3 7.5-7 9-4-1.5-7-4.5-7-9V6z",
  "role-vip": "m12 3.5 2.6 5.5 6 .8-4.4 4.2 1.1 6-5.3-2.900L6.7 20l1.1-6-4.4-4.2 6-.800z",
  "role-subscriber": "M12 4v16M4 12h16M6.5 6.500l11 11M17.5 6.500l-11 11",
  "role-verified": "m5.5 12.5 4 4 9-9",
  "role-bot": "M5 9h14v10H5zM12 9V5M9 13.500h.01M15 13.500h.01",
};

export function installIcons(): void {
  const sprite = makeSvg("svg", { class: "sprite", "aria-hidden": "true", width: "0", height: "0" });
  for (const [name, d] of Object.entries(ICONS)) {
    sprite.append(makeSvg("symbol", { id: `i-${name}`, viewBox: "0 0 24 24" }, makeSvg("path", { d })));
  }
  document.body.prepend(sprite);
}
