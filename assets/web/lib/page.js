// The page's state, and the questions that it asks the server. Everything that acts on the page acts through `mixviz`,
// which is also known to the window: the events of Gradio's own controls call it.
import { linked, noted } from "./address.js";
import { download } from "./dom.js";
import { blobUrl } from "./sheets.js";
import { t } from "./texts.js";

/** @import { Answer, Drawing, Mixviz, Server } from "../types.js" */

// The server writes it into the page's head: its own defaults, the keys of an address, and the views.
const { state, fields, order } = window.mixvizBeginning;

/** @type {Record<string, Drawing>} */
const drawings = {};
/** @type {Server | undefined} */
let server;
/** @type {string[] | null} networks still to be asked: what is ready is shown first */
let pending = null;
let stopped = false;
let working = false;
let again = false;
let version = 0;
let stillFor = ""; // the pictures of the grid's current still sheet
let stripFor = ""; // the pair of the current strip of detectors
let waiting = addressed();
/** @type {Answer | null} */
let last = null;
let notice = "";

/** Does the address ask for a state of its own? */
function addressed() {
  const query = new URLSearchParams(location.search);
  return fields.some((name) => query.has(name));
}

const language = () => document.documentElement.lang.slice(0, 2);
const drawn = () => [state.a, state.b, state.detector].join("|");

/** Something has changed: what was drawn before is of an earlier version. */
function ask() {
  version++;
  pending = null;
  stopped = false;
  return fill();
}

/** Questions are asked one after the other until everything in sight is up to date. */
async function fill() {
  if (!("a" in state)) return; // the controls have not spoken yet
  again = true;
  if (!server || working || waiting) return;
  working = true;
  try {
    while (again) await once();
  } finally {
    working = false;
  }
}

async function once() {
  await null; // joins changes made together into one request
  again = false;
  if (!state.a || !state.b) return deliver({ message: t("missing") });
  const key = drawn();
  const pair = `${state.a}|${state.b}`;
  const grid = state.view === "grid";
  const still = grid ? stillFor !== key : !mixviz.settled.has(state.view);
  const strip = mixviz.strip && stripFor !== pair;
  const more = pending;
  const mine = version;
  pending = null;
  const only = more ?? (grid ? mixviz.inSight(mine) : null);
  if (only && !only.length && !still && !strip) return;
  const asked = { ...state, only: only?.length ? only : null, still, strip, ...mixviz.more() };
  const answer = await question("look", asked);
  answer.version = mine;
  if (answer.still) stillFor = key;
  if (answer.detectors) stripFor = pair;
  // Drop an answer about other pictures than the current ones, which would only flicker.
  if (!again || key === drawn()) deliver(answer);
  if (again) return;
  if (answer.pending?.length && !stopped) {
    pending = answer.pending;
    again = true;
  }
}

/**
 * Asks one of the server's functions; a view has functions of its own. Out of reach, they reject or answer nothing.
 *
 * @param {string} name
 * @param {object} asked
 * @param {Server} [from]
 * @returns {Promise<any>}
 */
async function question(name, asked, from = server) {
  const answer = await from?.[name]({ ...asked, language: language() }).catch(() => null);
  return answer && typeof answer === "object" ? answer : { message: t("failed") };
}

/** @param {string} [message] */
function say(message) {
  const line = document.querySelector(".mv-message");
  if (line) line.textContent = message || "";
}

/** @param {Answer} answer */
function deliver(answer) {
  if (answer.forget) state[answer.forget] = []; // files that are gone: the next question goes without them
  say(answer.message ?? notice);
  document.querySelector("#views")?.classList.toggle("mv-waiting", !!answer.message);
  if (!answer.view) return;
  last = answer;
  const { link } = answer;
  if (link) address((now) => linked(now, link));
  drawings[answer.view]?.(answer);
}

let query = new URLSearchParams(location.search);
let writing = 0;

/**
 * Changes the address after a delay, because browsers block a page that rewrites it at every move of a slider.
 *
 * @param {(now: URLSearchParams) => URLSearchParams} change
 */
function address(change) {
  query = change(query);
  writing ||= setTimeout(() => {
    writing = 0;
    try {
      history.replaceState(history.state, "", `${location.pathname}?${query}`);
    } catch {
      address((same) => same);
    }
  }, 200);
}

/**
 * What the controls say, in the order in which the page lists them.
 *
 * @param {any[]} values
 */
const snapshot = ([a, b, name_a, name_b, hold, lam, , seed, detector]) => ({
  a: a?.path,
  b: b?.path,
  name_a,
  name_b,
  lam: hold ? lam : null,
  seed,
  detector,
});

/** @type {Mixviz} */
const api = {
  state,
  settled: new Set(),
  methods: {},
  labels: {},
  order,
  asking: {},
  strip: false,
  restoring: false,
  wanted: undefined,
  say,
  question,
  language,
  fill,
  note: (name, value) => address((now) => noted(now, name, value)),
  upload,
  version: () => version,
  stop: () => (stopped = true),
  stopped: () => stopped,
  idle: () => !working && !again && !mixviz.restoring && !writing,
  inSight: () => null,
  fresh: () => false,
  pinned: () => [],
  pin: () => {},
  more: () => mixviz.asking[state.view]?.() ?? {},
  asked: () => ({ ...state, ...mixviz.more(), language: language() }),
  views(name, draw) {
    drawings[name] = draw;
    if (last?.view === name) drawings[name](last);
    else if (state.view === name) ask();
  },
  knows(known) {
    Object.assign(mixviz, known);
  },
  serve(functions) {
    server = functions;
    if (again) fill();
  },
  first(answer) {
    // It was made before anybody had a language.
    const names = answer.names.map((/** @type {string} */ label) => t(`object.${label}`));
    if (!waiting) deliver({ ...answer, version, names });
  },
  set(changes) {
    notice = "";
    Object.assign(state, changes);
    document.body.dataset.view = state.view;
    ask();
  },
  tab(view) {
    if (view !== state.view) mixviz.set({ view });
  },
  controls(values) {
    const now = snapshot(values);
    const before = /** @type {Record<string, unknown>} */ ({ ...state });
    /** @param {string} key @param {unknown} value */
    const differs = (key, value) => before[key] !== value;
    const moved = /** @type {const} */ (["a", "b", "lam", "seed", "detector"]).some(
      (key) => key in state && differs(key, now[key]),
    );
    // A box or mask changed by hand belongs to its own mixture.
    if (moved && !mixviz.restoring) Object.assign(state, { box: null, mask: null });
    const changed = Object.entries(now).some(([key, value]) => differs(key, value));
    Object.assign(state, now);
    if (changed && !mixviz.restoring) notice = "";
    if (changed) ask();
  },
  alpha(alpha) {
    const { alpha: own, ...parameters } = state.parameters; // the last one moved counts
    mixviz.set({ alpha, parameters, box: null, mask: null });
  },
  restore(wanted) {
    mixviz.wanted = wanted;
  },
  loaded(values) {
    if (waiting) return mixviz.restore(Object.fromEntries(new URLSearchParams(location.search)));
    if ("a" in state) return;
    Object.assign(state, snapshot(values));
    if (last?.still) stillFor = drawn();
    else ask();
  },
  restored(values) {
    const { message, view, any, ...rest } = values.at(-1) ?? {};
    mixviz.controls(values);
    mixviz.restoring = waiting = false;
    const plain = "method" in rest ? { parameters: {} } : {};
    const fresh = { box: null, mask: null, ...plain, ...(view ? { alpha: null } : {}) };
    if (any) Object.assign(state, fresh, rest);
    if (view) mixviz.open(view);
    ask();
    notice = message ?? "";
  },
  open(view, changes = {}) {
    const other = "method" in changes && changes.method !== state.method;
    Object.assign(state, other ? { parameters: {}, box: null, mask: null } : {}, changes);
    const tabs = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#views [role=tab]"));
    const tab = tabs[mixviz.order.indexOf(view)];
    if (state.view !== view) {
      const top = document.querySelector("#views");
      if (top && top.getBoundingClientRect().top < 0) top.scrollIntoView(); // from far down in another view
      tab?.click();
      tab?.scrollIntoView({ block: "nearest", inline: "center" });
    }
    mixviz.set({ view });
  },
  ownLabel(image, name, letter) {
    const bundled = Object.values(mixviz.labels).includes(name);
    return bundled && image?.path && !image.path.includes("/assets/photos/") ? letter : name;
  },
  async preview(image, slot) {
    const { picture } = image?.path ? await question("preview", { path: image.path }) : {};
    return picture && state[slot] === image?.path ? { ...image, url: picture } : { __type__: "update" };
  },
  swapped() {
    Object.assign(state, { box: null, mask: null, classes: [...state.classes].reverse() });
  },
  async copyLink() {
    const link = `${location.origin}${location.pathname}?${query}`;
    try {
      await navigator.clipboard.writeText(link);
      const whole = /** @type {const} */ (["a", "b"]).every((key) => {
        return query.has(key) && mixviz.labels[query.get(key) ?? ""] === state[`name_${key}`];
      });
      say(t(whole && !state.mask && !mixviz.more().files?.length ? "copied" : "copy_own"));
    } catch {
      say(link);
    }
  },
  async take(kind, more = {}) {
    const parcel = await question("take", { ...state, take: kind, ...more });
    if (parcel.message) return say(parcel.message);
    download(await blobUrl(parcel.data), parcel.name);
  },
};

/** @type {Mixviz} the one page, also where a module had to be fetched twice */
export const mixviz = (window.mixviz ??= api);

/**
 * Uploads files to Gradio, which names each by its content. The server checks the paths again at each use.
 *
 * @param {File[]} files
 * @returns {Promise<string[] | null>}
 */
async function upload(files) {
  const form = new FormData();
  const { root = "", api_prefix = "/gradio_api" } = window.gradio_config ?? {};
  for (const file of files) form.append("files", file);
  const answer = await fetch(`${root}${api_prefix}/upload`, { method: "POST", body: form }).catch(() => null);
  return answer?.ok ? answer.json() : null;
}
