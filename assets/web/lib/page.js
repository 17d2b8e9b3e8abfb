// What all parts of the page share: the state, the texts, the question to the server, and how to draw plain data.
// Text reaches the page through textContent only, pictures through blob URLs: a data URI in a style is decoded again
// for every tile. Each part runs this first; the first one to do so makes `mixviz`.
const mixviz = (window.mixviz ??= ((texts) => {
  const t = (key, values = {}) => (texts[key] ?? key).replace(/{(\w+)}/g, (place, name) => values[name] ?? place);
  const percent = (x) => `${Math.round(100 * x)}\u00a0%`;
  const state = { view: "grid", method: "cutmix", parameters: {}, alpha: null, box: null, mask: null, over: "lam", methods: ["mixup", "cutmix", "saliencymix"], subject: "mix", classes: ["", ""], kind: "grad_cam", layer: "", own: [], joined: false };
  const views = {};
  const LINKED = ["view", "a", "b", "lam", "alpha", "seed", "detector", "method", "box", "over", "methods", "subject", "class_a", "class_b", "kind", "layer", "network", "plane", "count", "joined"];
  const KEPT = ["__theme", "pin", "lesson", "scale", "colours", "strength", "threshold", "to", "layout", "find", "family", "without", "limits", "setting", "axes", "idea"]; // the browser's own
  const language = () => document.documentElement.lang.slice(0, 2);
  let pending = null, stopped = false; // networks still to be asked: what is ready is shown first
  let server = null, working = false, again = false, version = 0, stillFor = "", stripFor = "", waiting = LINKED.some((name) => new URLSearchParams(location.search).has(name)), last = null, notice = "";

  const drawn = () => [state.a, state.b, state.detector].join("|");

  // Something has changed: what was drawn before is of an earlier version.
  function ask() {
    version++;
    pending = null;
    stopped = false;
    return fill();
  }

  // Questions are asked one after the other until everything in sight is up to date.
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
    await null; // what is set together is asked together
    again = false;
    if (!state.a || !state.b) return deliver({ message: t("missing") });
    const key = drawn(), pair = `${state.a}|${state.b}`, still = state.view === "grid" ? stillFor !== key : !api.settled.has(state.view), strip = api.strip && stripFor !== pair;
    const more = pending, mine = version;
    pending = null;
    const only = more ?? (state.view === "grid" ? api.inSight(mine) : null);
    if (only && !only.length && !still && !strip) return;
    const answer = await question("look", { ...state, only: only?.length ? only : null, still, strip, ...api.more() });
    answer.version = mine;
    if (answer.still) stillFor = key;
    if (answer.lenses) stripFor = pair;
    // An answer about other pictures than those now chosen would only flicker.
    if (!again || key === drawn()) deliver(answer);
    if (again) return;
    if (answer.pending?.length && !stopped) {
      pending = answer.pending;
      again = true;
    }
  }

  // Out of reach, the server's functions reject or answer nothing. A view has functions of its own: `from`.
  async function question(name, asked, from = server) {
    const answer = await from[name]({ ...asked, language: language() }).catch(() => null);
    return answer && typeof answer === "object" ? answer : { message: t("failed") };
  }

  function say(message) {
    const line = document.querySelector(".mv-message");
    if (line) line.textContent = message || "";
  }

  function deliver(answer) {
    if (answer.forget) state[answer.forget] = []; // files that are gone: the next question goes without them
    say(answer.message ?? notice);
    document.querySelector("#views")?.classList.toggle("mv-waiting", !!answer.message);
    if (!answer.view) return;
    last = answer;
    if (answer.link) link(answer.link);
    views[answer.view]?.(answer);
  }

  // The address follows a little later: browsers refuse a page that rewrites it at every move of a slider.
  let query = new URLSearchParams(location.search), writing = 0;
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
  // What the visitor pinned, the lesson and the look of the page stay; the rest is the server's own words.
  const link = (text) => address((now) => {
    const kept = new URLSearchParams(text);
    for (const name of KEPT) if (now.has(name)) kept.set(name, now.get(name));
    return kept;
  });
  const note = (name, value) => address((now) => {
    value ? now.set(name, value) : now.delete(name);
    return now;
  });

  const snapshot = ([a, b, name_a, name_b, hold, lam, , seed, detector]) =>
    ({ a: a?.path, b: b?.path, name_a, name_b, lam: hold ? lam : null, seed, detector });

  const api = {
    t, percent, state, say, note, language, question, upload,
    settled: new Set(), // views that have all which pictures and controls leave alone
    stop: () => (stopped = true),
    stopped: () => stopped,
    views: (name, draw) => {
      views[name] = draw;
      if (last?.view === name) draw(last);
      else if (state.view === name) ask();
    },
    idle: () => !working && !again && !api.restoring && !writing,
    inSight: () => null, // the cards in sight that are not of a version, where that is not all of them
    fill, version: () => version,
    serve: (functions) => { server = functions; if (again) fill(); },
    // It was made before anybody had a language.
    first: (answer) => { if (!waiting) deliver({ ...answer, version, names: answer.names.map((label) => t(`object.${label}`)) }); },
    set: (changes) => { notice = ""; Object.assign(state, changes); document.body.dataset.view = state.view; ask(); },
    // A tab was chosen. Gradio says so of the first one as well, whose view has come with the page.
    tab: (view) => { if (view !== state.view) api.set({ view }); },
    // A control was moved. What was changed by hand belongs to the mixture that it was changed in.
    controls: (values) => {
      const now = snapshot(values);
      const moved = ["a", "b", "lam", "seed", "detector"].some((key) => key in state && state[key] !== now[key]);
      if (moved && !api.restoring) Object.assign(state, { box: null, mask: null });
      const changed = Object.keys(now).some((key) => state[key] !== now[key]);
      Object.assign(state, now);
      if (changed && !api.restoring) notice = "";
      if (changed) ask();
    },
    alpha: (alpha) => {
      const { alpha: own, ...parameters } = state.parameters; // the last one moved counts
      api.set({ alpha, parameters, box: null, mask: null });
    },
    restore: (wanted) => { api.wanted = wanted; }, // until the bridge stands
    // What the controls say at first has been drawn already, unless the address asks for something else.
    loaded: (values) => {
      if (waiting) return api.restore(Object.fromEntries(new URLSearchParams(location.search)));
      if ("a" in state) return;
      Object.assign(state, snapshot(values));
      if (last?.still) stillFor = drawn();
      else ask();
    },
    restored: (values) => {
      const { message, view, any, ...rest } = values.at(-1) ?? {};
      api.controls(values);
      api.restoring = waiting = false;
      const fresh = { box: null, mask: null, ...("method" in rest ? { parameters: {} } : {}), ...(view ? { alpha: null } : {}) };
      if (any) Object.assign(state, fresh, rest);
      if (view) api.open(view);
      ask();
      notice = message ?? "";
    },
    open: (view, changes = {}) => {
      const other = "method" in changes && changes.method !== state.method;
      Object.assign(state, other ? { parameters: {}, box: null, mask: null } : {}, changes);
      const tabs = document.querySelectorAll("#views [role=tab]");
      const index = ["grid", "detail", "draws", "sweep", "batch", "localize", "compare", "which", "tree", "embeddings"].indexOf(view);
      if (state.view !== view) {
        const top = document.querySelector("#views");
        if (top.getBoundingClientRect().top < 0) top.scrollIntoView(); // from far down in another view
        tabs[index]?.click();
        tabs[index]?.scrollIntoView({ block: "nearest", inline: "center" });
      }
      api.set({ view });
    },
    ownLabel: (image, name, letter) => (Object.values(api.labels ?? {}).includes(name) && image?.path && !image.path.includes("/assets/photos/") ? letter : name),
    // What a browser cannot show, as TIFF and HEIC, the server can; and everybody sees what will be mixed.
    preview: async (image, slot) => {
      const { picture } = image?.path ? await question("preview", { path: image.path }) : {};
      return picture && state[slot] === image.path ? { ...image, url: picture } : { __type__: "update" };
    },
    swapped: () => { Object.assign(state, { box: null, mask: null, classes: [...state.classes].reverse() }); },
    pin: () => {},
    // What the view in sight asks beside the state, which goes with every question of every view.
    asking: {},
    more: () => api.asking[state.view]?.() ?? {},
    asked: () => ({ ...state, ...api.more(), language: language() }),
    copyLink: async () => {
      const address = `${location.origin}${location.pathname}?${query}`;
      try {
        await navigator.clipboard.writeText(address);
        const whole = ["a", "b"].every((key) => query.has(key) && api.labels[query.get(key)] === state[`name_${key}`]);
        say(t(whole && !state.mask && !api.more().files?.length ? "copied" : "copy_own"));
      } catch {
        say(address);
      }
    },
    take: async (kind, more = {}) => {
      const parcel = await question("take", { ...state, take: kind, ...more });
      if (parcel.message) return say(parcel.message);
      const link = document.createElement("a");
      Object.assign(link, { href: await blobUrl(parcel.data), download: parcel.name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    },
  };

  // Files go to Gradio's own upload, which names each by its content; what uses them checks their paths again.
  async function upload(files) {
    const form = new FormData(), { root = "", api_prefix = "/gradio_api" } = window.gradio_config ?? {};
    for (const file of files) form.append("files", file);
    const answer = await fetch(`${root}${api_prefix}/upload`, { method: "POST", body: form }).catch(() => null);
    return answer?.ok ? answer.json() : null;
  }

  async function blobUrl(dataUri) {
    const [head, body] = [dataUri.slice(5, dataUri.indexOf(";")), atob(dataUri.slice(dataUri.indexOf(",") + 1))];
    const bytes = new Uint8Array(body.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = body.charCodeAt(i); // Uint8Array.from takes 18 ms a sheet, not 3
    return URL.createObjectURL(new Blob([bytes], { type: head }));
  }

  // A sheet of tiles: opened and decoded before it is shown, the one before it let go afterwards.
  class Sheet {
    async open(dataUri) {
      const url = await blobUrl(dataUri);
      const image = new Image();
      image.src = url;
      await image.decode();
      return url;
    }
    take(url) {
      if (this.url) URL.revokeObjectURL(this.url);
      this.url = url;
    }
  }
  return Object.assign(api, { Sheet });
})(JSON.parse(props.label)));

const { t, percent } = mixviz;
const root = () => element.querySelector(".mv-part");

function make(tag, options = {}, ...children) {
  const { class: name, data = {}, on = {}, aria = {}, ...rest } = options;
  const node = Object.assign(document.createElement(tag), rest);
  if (name) node.className = name;
  Object.assign(node.dataset, data);
  for (const [key, value] of Object.entries(aria)) key === "role" ? node.setAttribute("role", value) : node.setAttribute(`aria-${key}`, value);
  for (const [event, run] of Object.entries(on)) node.addEventListener(event, run);
  node.append(...children);
  return node;
}

function place(tile, url, index, columns, rows = 1) {
  const at = (i, n) => (n > 1 ? (100 * i) / (n - 1) : 0);
  tile.style.backgroundImage = `url(${url})`;
  tile.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
  tile.style.backgroundPosition = `${at(index % columns, columns)}% ${at(Math.floor(index / columns), rows)}%`;
}

function outline(box, edges) {
  box.hidden = !edges;
  if (!edges) return;
  const [top, left, bottom, right] = edges.map((edge) => 100 * edge);
  Object.assign(box.style, { top: `${top}%`, left: `${left}%`, height: `${bottom - top}%`, width: `${right - left}%` });
}

function ring(node, peak) {
  node.hidden = !peak;
  if (peak) Object.assign(node.style, { top: `${100 * peak[0]}%`, left: `${100 * peak[1]}%` });
}

// A part of the bar carries its name where there is room for it, else a letter.
function fitting(name, letter, share, letters) {
  return [`${name} ${percent(share)}`, `${letter} ${percent(share)}`, ""].find((text) => text.length <= letters * share);
}

// As many parts as there are names, each with a colour and a letter of its own.
const LETTERS = "ABCD";

function labelBar(letters = 34) {
  const node = make("div", { class: "mv-bar", aria: { role: "img" } });
  const update = (names, share, room = letters) => {
    const label = names.map((name, i) => `${percent(share[i])} ${name}`).join(", ");
    node.setAttribute("aria-label", t("label_says", { parts: label }));
    while (node.children.length < names.length) node.append(make("span", { class: `mv-${LETTERS[node.children.length % 4].toLowerCase()}` }));
    [...node.children].forEach((part, i) => {
      part.style.flexGrow = share[i] ?? 0;
      part.textContent = i < names.length ? fitting(names[i], LETTERS[i % 4], share[i], room) : "";
    });
  };
  return { node, update };
}

// What has a name in the page's language, else what it is called.
const named = (key, otherwise) => (t(key) === key ? otherwise : t(key));
const className = (name) => named(`class.${name}`, name);
const networkName = (name, title) => named(`network.${name}`, title);

const sentence = (told, [a, b]) => t(told.key, { ...told.values, a, b });

// A name that is too long for its line breaks between its words, as in Rand-Saliency-Mix, not inside one.
function byHumps(title) {
  return title.split(/(?<=[a-z])(?=[A-Z])/).flatMap((word, i) => (i ? [make("wbr"), word] : [word]));
}
