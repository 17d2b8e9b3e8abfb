// The page's message: beside what was used last, and for as long as it takes to read.
import { make } from "./dom.js";
import { clamp } from "./numbers.js";

const LEAST = 4000; // ms that even a short message stays
const LETTER = 70; // ms to read a letter
const EDGE = 12; // pixels to the hand, and to the edge of the window

export const message = make("p", { class: "mv-message", popover: "manual", aria: { role: "status" } });
const texts = { lost: "", notice: "", fault: "" }; // the first one that is not empty is shown
let pointer = { x: innerWidth / 2, y: 0 };
let timer = 0;

addEventListener("pointerdown", ({ clientX, clientY }) => (pointer = { x: clientX, y: clientY }), true);
addEventListener("keydown", ({ key }) => key === "Escape" && say(""));

function place() {
  const focused = document.activeElement?.getBoundingClientRect();
  const seen = focused?.width && focused.bottom > 0 && focused.top < innerHeight && focused.height < 200;
  const hand = seen
    ? { x: focused.left + focused.width / 2, top: focused.top, bottom: focused.bottom }
    : { x: pointer.x, top: pointer.y, bottom: pointer.y };
  const { width, height } = message.getBoundingClientRect();
  const below = hand.bottom + EDGE;
  const top = below + height + EDGE < innerHeight ? below : hand.top - EDGE - height;
  message.style.left = `${clamp(hand.x - width / 2, EDGE, Math.max(EDGE, innerWidth - width - EDGE))}px`;
  message.style.top = `${clamp(top, EDGE, Math.max(EDGE, innerHeight - height - EDGE))}px`;
}

/** @param {Partial<typeof texts>} change */
function update(change) {
  Object.assign(texts, change);
  const text = texts.lost || texts.notice || texts.fault;
  if (text === message.textContent) return;
  message.textContent = text;
  message.togglePopover?.(!!text);
  if (text) place();
}

/** Tells something that has happened. @param {string} [text] */
export function say(text = "") {
  clearTimeout(timer);
  update({ notice: text });
  if (text) timer = setTimeout(() => update({ notice: "" }), LEAST + LETTER * text.length);
}

/** Tells what is wrong with the present state, until an answer without a fault arrives. @param {string} [text] */
export const fail = (text = "") => update({ fault: text });

/** Tells that the server cannot be reached, until it can be again. @param {string} [text] */
export const lose = (text = "") => update({ lost: text });
