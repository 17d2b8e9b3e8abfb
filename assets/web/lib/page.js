// The page's state, and the questions that it asks the server. Everything that acts on the page acts through `mixviz`,
// which the window knows, too, for Gradio's components and for whoever looks at the page from outside.
import { linked, listed, noted, stem } from "./address.js";
import { untilBack } from "./connection.js";
import { download } from "./dom.js";
import { fail, say } from "./messages.js";
import { blobUrl } from "./sheets.js";
import { language, t } from "./texts.js";

/** @import { Answer, Drawing, Mixviz, Server, State } from "../types.js" */

// The server writes it into the page's head: its own defaults, and the keys of an address.
const { state, fields } = window.mixvizBeginning;
/** @type {(keyof State)[]} what is changed by hand belongs to the mixture of these */
const MIXTURE = ["a", "b", "lam", "seed", "detector"];

/** @type {Record<string, Drawing>} */
const drawings = {};
/** @type {((state: State) => unknown)[]} */
const watchers = [];
/** @type {Server | undefined} */
let server;
/** @type {string[] | null} networks still to be asked: what is ready is shown first */
let pending = null;
let stopped = false;
let working = false;
let again = false;
let version = 0;
let stillFor = ""; // the pictures for which the grid's still sheet was drawn
let stripFor = ""; // the pair for which the strip of detectors was drawn
let waiting = true; // until the page has begun
/** @type {Answer | null} */
let last = null;

const pair = () => ({ a: state.a, b: state.b });
const drawn = () => [state.a, state.b, state.detector].join("|");
const notify = () => watchers.forEach((watcher) => watcher(state));

/** Something has changed: what was drawn before is of an earlier version. */
function ask() {
  version++;
  pending = null;
  stopped = false;
  notify();
  return fill();
}

/** Questions are asked one after the other until everything in sight is up to date. */
async function fill() {
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
  if (!drawings[state.view]) return; // its script is on the way, and asks when it is here
  const key = drawn();
  const pictures = `${state.a}|${state.b}`;
  const grid = state.view === "grid";
  const still = grid ? stillFor !== key : !mixviz.settled.has(state.view);
  const strip = mixviz.strip && stripFor !== pictures;
  const more = pending;
  const mine = version;
  pending = null;
  const only = more ?? (grid ? mixviz.inSight(mine) : null);
  if (only && !only.length && !still && !strip) return;
  const asked = { ...state, only: only?.length ? only : null, still, strip, ...mixviz.more() };
  const answer = await question("look", asked);
  answer.version = mine;
  if (answer.still) stillFor = key;
  if (answer.detectors) stripFor = pictures;
  // Drop an answer about other pictures than the current ones, which would only flicker.
  if (!again || key === drawn()) deliver(answer);
  if (again) return;
  if (answer.pending?.length && !stopped) {
    pending = answer.pending;
    again = true;
  }
}

/**
 * Asks one of the server's functions; a view has functions of its own. A server that cannot be reached is asked again
 * as soon as it can be, and one that has lost the visitor's pictures is given them again.
 *
 * @param {string} name
 * @param {object} asked
 * @param {Server} [from]
 * @returns {Promise<any>}
 */
async function question(name, asked, from = server) {
  const answer = await from?.[name]({ ...asked, ...marksIn(asked), language: language() }).catch(() => null);
  if (answer?.gone && "a" in asked && (await mixviz.renew())) return question(name, { ...asked, ...pair() }, from);
  if (answer && typeof answer === "object") return answer;
  return (await untilBack()) ? question(name, asked, from) : { message: t("failed") };
}

/** The marks of A and B alone: those of other pictures stay here. @param {Partial<State>} asked */
function marksIn({ a, b, marks }) {
  return marks && { marks: Object.fromEntries(Object.entries(marks).filter(([path]) => path === a || path === b)) };
}

/** @param {Answer} answer */
function deliver(answer) {
  if (answer.forget) state[answer.forget] = []; // files that are gone: the next question goes without them
  fail(answer.message);
  document.querySelector("#mv-main")?.classList.toggle("mv-waiting", !!answer.message);
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
  writing ||= setTimeout(write, 200);
}

/** @param {boolean} [anew] as a further entry of the browser's history */
function write(anew = false) {
  clearTimeout(writing);
  writing = 0;
  const link = `${location.pathname}?${query}`;
  try {
    anew ? history.pushState(null, "", link) : history.replaceState(history.state, "", link);
  } catch {
    writing = setTimeout(write, 200);
  }
}

/**
 * Adds an entry to the browser's history; the entry that is left keeps its own state.
 *
 * @param {(now: URLSearchParams) => URLSearchParams} change
 */
function enter(change) {
  write();
  query = change(query);
  write(true);
}

addEventListener("popstate", () => {
  clearTimeout(writing);
  writing = 0;
  query = new URLSearchParams(location.search);
  mixviz.restore({ view: mixviz.order[0], ...Object.fromEntries(query) });
});

/** @type {Mixviz} */
const api = {
  state,
  settled: new Set(),
  methods: {},
  labels: {},
  photographs: [],
  order: [],
  asking: {},
  strip: false,
  restoring: false,
  say,
  question,
  language,
  fill,
  note: (name, value, anew = false) => (anew ? enter : address)((now) => noted(now, name, value)),
  step: () => {},
  upload,
  version: () => version,
  stop: () => (stopped = true),
  stopped: () => stopped,
  idle: () => !working && !again && !mixviz.restoring && !writing,
  inSight: () => null,
  fresh: () => false,
  pinned: () => listed(query.get("pin")),
  pick: () => {},
  show: () => {},
  thumbnail: async () => {},
  renew: async () => false,
  more: () => mixviz.asking[state.view]?.() ?? {},
  asked: () => ({ ...state, ...mixviz.more(), language: language() }),
  views(name, draw) {
    drawings[name] = draw;
    if (last?.view === name) drawings[name](last);
    else if (state.view === name) ask();
  },
  watch(watcher) {
    watchers.push(watcher);
    watcher(state);
  },
  async begin(functions, first) {
    server = functions;
    const names = /** @type {const} */ (["name_a", "name_b"]);
    for (const key of names) state[key] = t(`object.${state[key]}`); // it was made before anybody had a language
    const asked = Object.fromEntries(query);
    if (fields.some((name) => query.has(name))) return mixviz.restore(asked);
    waiting = false;
    last = { ...first, version, names: names.map((key) => state[key]) };
    mixviz.show(state.view); // whose script draws it
    notify();
    address((now) => linked(now, first.link ?? ""));
  },
  set(changes) {
    Object.assign(state, changes);
    ask();
  },
  change(changes) {
    const before = /** @type {Record<string, unknown>} */ ({ ...state });
    const moved = Object.entries(changes).filter(([key, value]) => before[key] !== value);
    if (!moved.length) return;
    if (moved.some(([key]) => MIXTURE.includes(/** @type {keyof State} */ (key)))) {
      Object.assign(state, { box: null, mask: null });
    }
    if ("alpha" in changes) {
      const { alpha: own, ...parameters } = state.parameters; // the last one moved counts
      Object.assign(state, { parameters, box: null, mask: null });
    }
    mixviz.set(changes);
  },
  async restore(wanted) {
    mixviz.restoring = true;
    const { state: found = {}, message } = await question("restore", wanted);
    mixviz.restoring = waiting = false;
    const whole = "view" in found;
    const plain = "method" in found ? { parameters: {} } : {};
    const fresh = { box: null, mask: null, ...plain, ...(whole ? { alpha: null } : {}) };
    if (Object.keys(found).length) Object.assign(state, fresh, found);
    mixviz.show(state.view);
    ask();
    if (message) say(message);
  },
  open(view, changes = {}) {
    const other = "method" in changes && changes.method !== state.method;
    const elsewhere = view !== state.view;
    Object.assign(state, other ? { parameters: {}, box: null, mask: null } : {}, changes, { view });
    if (other || elsewhere) enter((now) => noted(noted(now, "view", view), "method", state.method));
    mixviz.show(view, elsewhere);
    ask();
  },
  swap() {
    const { a, b, name_a, name_b, classes } = state;
    mixviz.change({ a: b, b: a, name_a: name_b, name_b: name_a, classes: [...classes].reverse() });
  },
  async share() {
    const link = `${location.origin}${location.pathname}?${query}`;
    try {
      await navigator.clipboard.writeText(link);
      const whole = /** @type {const} */ (["a", "b"]).every((key) => {
        return query.has(key) && mixviz.labels[stem(state[key]) ?? ""] === state[`name_${key}`];
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
  if (!answer && (await untilBack())) return upload(files);
  return answer?.ok ? answer.json() : null;
}
