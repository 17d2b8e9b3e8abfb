// The frame around all views: header with the destinations, the controls that views share, and the line for messages.
import { controlsOf, viewLink } from "../lib/controls.js";
import { make } from "../lib/dom.js";
import { message } from "../lib/messages.js";
import { mixviz } from "../lib/page.js";
import { Sheet } from "../lib/sheets.js";
import { language, named, t } from "../lib/texts.js";

/** @import { Known, PageContext, Script, Server, ViewEntry } from "../types.js" */

/**
 * @param {PageContext} context
 * @param {Record<string, Script>} here scripts of views that came with the page
 */
export default function frame({ element, trigger, props, server, upload }, here) {
  const { first, views, detectors } = props.value;
  const groups = [...new Set(views.map(({ group }) => group))];
  const root = /** @type {HTMLElement} */ (element.querySelector("#mv-page") ?? element);
  document.documentElement.lang = language(); // Gradio sets the browser's
  offer(props.value);
  mixviz.pick = async (letter) => {
    const module = await later(() => import("./picker.js"));
    if (!module) return;
    mixviz.pick = module.pickerOf(props.value);
    mixviz.pick(letter);
  };
  const controls = controlsOf(detectors);

  // The header: one line, or two on a phone
  /**
   * The tabs of a destination, or of the page of a method that belongs to it.
   *
   * @param {string} group
   * @param {boolean} [ofMethod]
   */
  const beside = (group, ofMethod = false) =>
    views.filter((view) => view.group === group && view.controls.includes("method") === ofMethod);
  /** @type {Record<string, string>} the view of a destination that was open last */
  const latest = Object.fromEntries(groups.map((group) => [group, beside(group)[0].name]));
  const destinations = groups.map((group) => ({ group, node: viewLink(latest[group], t(`nav.${group}`)) }));
  const other = language() === "ko" ? "en" : "ko";
  const speak = make("button", {
    class: "mv-plain",
    lang: other,
    textContent: other === "ko" ? "한국어" : "English",
    on: { click: () => changeLanguage(other) },
  });
  const share = make("button", { class: "mv-plain", textContent: t("share"), on: { click: () => mixviz.share() } });
  share.id = "mv-share";
  const present = make("button", { class: "mv-plain", textContent: t("present"), on: { click: () => begin(true) } });
  present.id = "mv-present";
  /** @type {ReturnType<import("./present.js").presentOf> | undefined} */
  let presenting;
  /** @param {boolean} full with the whole screen */
  async function begin(full) {
    presenting ??= (await later(() => import("./present.js")))?.presentOf(root, present);
    presenting?.(true, full);
  }
  const header = make(
    "header",
    { class: "mv-header" },
    make("a", {
      class: "mv-skip",
      href: "#mv-main",
      textContent: t("skip"),
      on: {
        click: (event) => {
          event.preventDefault();
          main.focus();
        },
      },
    }),
    make("strong", { class: "mv-name", textContent: "MixViz" }),
    make(
      "nav",
      { class: "mv-nav", aria: { label: t("destinations") } },
      ...destinations.map(({ node }) => node),
    ),
    make("div", { class: "mv-header-end" }, speak, present, share),
  );
  const tabs = make("nav", { class: "mv-tabs" });
  const over = make("div", { class: "mv-over" }, tabs);
  const bar = make("div", { class: "mv-dock" });
  const main = make("div", { id: "mv-main", tabIndex: -1 }, over, bar);
  root.prepend(header, main, message);
  // The text beside them says it already.
  for (const image of document.querySelectorAll("footer img")) image.setAttribute("alt", "");

  /** @type {Record<string, { node: HTMLElement, part: HTMLElement }>} */
  const sections = {};
  let panel = "";

  /** @param {ViewEntry} view */
  async function load({ name, modules }) {
    const part = make("div", { class: "mv-part", id: `mv-${name}` });
    const node = make("section", { class: "mv-view", id: name }, part);
    sections[name] = { node, part };
    main.append(node);
    const script = here[name] ?? (await fetched(name, modules));
    if (!script) {
      delete sections[name];
      node.remove();
      return mixviz.say(t("reload"));
    }
    script({ element: node, server: own(name), upload });
    place(mixviz.state.view); // another view may have been opened meanwhile
  }

  /** @param {string} name @param {string[]} modules all that it needs, so that they are fetched at once */
  async function fetched(name, modules) {
    for (const path of modules) {
      document.head.append(make("link", { rel: "modulepreload", href: new URL(`../${path}`, import.meta.url).href }));
    }
    const wanted = new URL(`../views/${name}.js`, import.meta.url).href;
    const module = await import(wanted).catch(() => import(`${wanted}?again`)).catch(() => null);
    return module?.default;
  }

  /** A view's functions on the server, by their own names. @param {string} view @returns {Server} */
  const own = (view) => new Proxy(server, { get: (all, name) => all[`${view}__${String(name)}`] });

  /** Controls stand where a view has a place for them, else above it. @param {string} name */
  function place(name) {
    const { controls: wanted = [] } = views.find((view) => view.name === name) ?? {};
    const part = sections[name]?.part;
    bar.replaceChildren();
    for (const control of ["method", "pictures", "lam", "more"]) {
      const node = controls[control];
      const spot = part?.querySelector(`[data-control=${control}]`);
      if (spot) spot.append(node);
      else if (wanted.includes(control) && control === "method") over.prepend(node);
      else if (wanted.includes(control)) bar.append(node);
      else node.remove();
    }
    // The fields under "More" may stand open in a view's own panel.
    (part?.querySelector("[data-control=fields]") ?? controls.more).append(controls.fields);
  }

  mixviz.show = (name, moved = false) => {
    const view = views.find((one) => one.name === name) ?? views[0];
    const ofMethod = view.controls.includes("method");
    if (!ofMethod) latest[view.group] = view.name;
    for (const { group, node } of destinations) {
      node.href = `?view=${latest[group]}`;
      if (group === view.group) node.setAttribute("aria-current", "page");
      else node.removeAttribute("aria-current");
    }
    const others = beside(view.group, ofMethod);
    over.hidden = others.length < 2 && !ofMethod;
    tabs.setAttribute("aria-label", t(`nav.${view.group}`));
    tabs.replaceChildren(
      ...others.map((one) => {
        const node = viewLink(one.name, t(`tab_${one.name}`));
        if (one === view) node.setAttribute("aria-current", "page");
        return node;
      }),
    );
    document.body.dataset.view = view.name;
    if (!sections[view.name]) load(view);
    for (const [other, { node }] of Object.entries(sections)) node.hidden = other !== view.name;
    place(view.name);
    tabs.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    const wanted = view.panel ? view.name : "";
    if (wanted !== panel) trigger("select", { view: wanted, language: language() });
    panel = wanted;
    if (moved) scrollTo(0, 0);
  };
  const ownPictures = () => later(() => import("../lib/own.js"));
  mixviz.renew = async () => !!(await (await ownPictures())?.renew());
  mixviz.begin(server, first).then(async () => {
    if (new URLSearchParams(location.search).has("present")) begin(false);
    if (hasOwn()) await (await ownPictures())?.bringBack();
  });
}

/**
 * A module that is fetched when it is needed; a visitor is told where it cannot be.
 *
 * @template Module
 * @param {() => Promise<Module>} load
 * @returns {Promise<Module | null>}
 */
export const later = (load) =>
  load().catch(() => {
    mixviz.say(t("reload"));
    return null;
  });

/** Whether this tab showed pictures of the visitor before it was loaded again, see lib/own.js. */
function hasOwn() {
  try {
    return !!sessionStorage.getItem("mixviz.own");
  } catch {
    return false;
  }
}

/** @param {Known} known */
function offer({ photographs, methods, views, thumbnails }) {
  mixviz.order = views.map(({ name }) => name);
  mixviz.methods = Object.fromEntries(
    Object.entries(methods).map(([name, [title, ...more]]) => [name, [named(`title.${name}`, title), ...more]]),
  );
  mixviz.photographs = photographs.map((one) => ({ ...one, label: t(`object.${one.label}`) }));
  mixviz.labels = Object.fromEntries(mixviz.photographs.map(({ stem, label }) => [stem, label]));
  const sheet = new Sheet();
  const opened = sheet.open(thumbnails);
  /** @type {Map<string, string>} previews of the visitor's own pictures */
  const previews = new Map();
  mixviz.thumbnail = async (node, path = "") => {
    node.dataset.path = path;
    const at = photographs.findIndex((one) => one.path === path);
    let url = await opened;
    if (at < 0) {
      if (!previews.has(path)) previews.set(path, (await mixviz.question("preview", { path })).picture ?? "");
      url = previews.get(path) ?? "";
    }
    if (node.dataset.path !== path) return; // another one has been chosen meanwhile
    node.style.backgroundImage = url ? `url("${url}")` : "";
    node.style.backgroundSize = at < 0 ? "cover" : `${photographs.length * 100}% 100%`;
    node.style.backgroundPosition = at < 0 ? "center" : `${(100 * at) / (photographs.length - 1)}% 0`;
  };
}

/** @param {string} code */
function changeLanguage(code) {
  try {
    localStorage.setItem("mixviz.language", code);
  } catch {
    // A browser without storage: the address holds it.
  }
  const query = new URLSearchParams(location.search);
  query.set("lang", code);
  location.search = String(query);
}
