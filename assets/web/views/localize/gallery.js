// Networks of others: what can be fetched, how far a download is, and what went wrong. The server fetches for all.
import { make } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { named, t } from "../../lib/texts.js";
import { visitorIn } from "../../lib/visitor.js";

/** @import { GalleryAnswer, GalleryRow, Server } from "../../types.js" */

const PAUSE = 700; // ms between two questions how far a download is
const MB = 1e6;
const KEY = "mixviz-visitor";

/**
 * @param {Server} server
 * @param {(name: string) => Promise<void>} joined a network that was asked for is here
 */
export function galleryPart(server, joined) {
  const visitor = visitorIn("session", KEY); // this tab, also after it is loaded anew
  /** @type {Set<string>} networks that this page has asked for */
  const asked = new Set();
  /** @type {Map<string, ReturnType<typeof rowOf>>} */
  const rows = new Map();
  let timer = 0;
  let trouble = "";
  const list = make("ul", { class: "mv-gallery" });
  const note = make("p", { class: "mv-small", aria: { role: "status" } });
  /** @type {HTMLDetailsElement} */
  const node = make(
    "details",
    { on: { toggle: () => node.open && question("gallery") } },
    make("summary", { textContent: t("gallery.title") }),
    make("p", { class: "mv-small", textContent: t("gallery.why") }),
    list,
    note,
  );

  /** @param {"gallery" | "fetch" | "cancel"} what @param {object} [more] */
  async function question(what, more = {}) {
    clearTimeout(timer);
    const answer = await mixviz.question(what, { ...more, visitor }, server);
    if (answer.message) {
      note.textContent = trouble = answer.message;
      return again();
    }
    if (note.textContent === trouble) note.textContent = "";
    await take(answer);
  }

  /** @param {string} name */
  function fetch(name) {
    asked.add(name);
    note.textContent = "";
    return question("fetch", { name });
  }

  /** Ends this page's waiting; the download goes on while others wait. @param {GalleryRow} row */
  async function cancel({ name, title }) {
    asked.delete(name);
    await question("cancel", { name });
    if (note.textContent === trouble && trouble) return;
    note.textContent = t(rows.get(name)?.running() ? "gallery.goes_on" : "gallery.cancelled", { title });
  }

  /** @param {GalleryAnswer} answer */
  async function take({ rows: told, allowed }) {
    if (!allowed) note.textContent = t("gallery.forbidden");
    for (const one of told) {
      if (one.mine) asked.add(one.name); // also before this page was loaded anew
      const row = rows.get(one.name) ?? rowOf(one, { fetch: () => fetch(one.name), cancel: () => cancel(one) });
      if (!rows.has(one.name)) list.append(row.node);
      rows.set(one.name, row);
      row.update(one, allowed, asked.has(one.name));
    }
    if (told.some(({ progress }) => progress)) again();
    for (const { name, title, here } of told) {
      if (!here || !asked.delete(name)) continue;
      await joined(name);
      note.textContent = t("gallery.joined", { title });
    }
  }

  /** Asks once more after a pause, while somebody may look or waits: the server forgets who says nothing. */
  function again() {
    clearTimeout(timer);
    const inSight = () => asked.size || (mixviz.state.view === "localize" && node.open);
    timer = setTimeout(() => (inSight() ? question("gallery") : again()), PAUSE);
  }
  return { node };
}

/** @param {GalleryRow} about @param {{ fetch: () => unknown, cancel: () => unknown }} on */
function rowOf(about, { fetch, cancel }) {
  const { title, augmentation, documented, top1, license, bce } = about;
  const megabytes = about.megabytes.toFixed(0);
  const trained = named(`trained.${augmentation}`, augmentation);
  const button = make("button", {
    class: "mv-button",
    aria: { label: t("gallery.fetch_what", { title, megabytes }) },
    on: { click: fetch },
  });
  const here = make("span", { class: "mv-gallery-here", textContent: `✓ ${t("gallery.here")}` });
  const progress = make("progress", { aria: { label: title } });
  const told = make("span");
  const stop = make("button", {
    class: "mv-button",
    textContent: t("gallery.cancel"),
    aria: { label: t("gallery.cancel_what", { title }) },
    on: {
      click: () => {
        stop.disabled = true;
        cancel();
      },
    },
  });
  const bar = make("p", { class: "mv-small mv-gallery-bar" }, progress, told);
  let runs = false;
  const error = make("p", { class: "mv-gallery-error", aria: { role: "alert" } });
  const node = make(
    "li",
    { data: { network: about.name } },
    make("strong", { textContent: title }),
    make("span", {}, button, stop, here),
    make(
      "p",
      { class: "mv-small" },
      documented ? make("a", { href: documented, target: "_blank", rel: "noopener", textContent: trained }) : trained,
      ...(bce ? [` · ${t("gallery.bce")}`] : []),
    ),
    make("p", { class: "mv-small", textContent: t("gallery.facts", { top1: top1.toFixed(1), megabytes, license }) }),
    bar,
    error,
  );

  /** @param {GalleryRow} now @param {boolean} allowed @param {boolean} asked did this page ask for it? */
  function update(now, allowed, asked) {
    const failed = asked && !now.progress ? now.error : "";
    here.hidden = !now.here;
    runs = !!now.progress;
    button.hidden = now.here || !allowed || now.mine;
    button.textContent = t(failed ? "gallery.again" : runs ? "gallery.wait" : "gallery.fetch");
    stop.hidden = !now.mine;
    if (stop.hidden) stop.disabled = false;
    bar.hidden = !runs;
    if (now.progress) advance(...now.progress);
    if (runs && now.others) told.textContent += ` · ${t("gallery.others", { count: now.others })}`;
    if (error.textContent !== failed) error.textContent = failed; // it is read out
    error.hidden = !failed;
  }

  /** @param {number} done @param {number} total bytes, 0 where the hub does not say */
  function advance(done, total) {
    if (total) Object.assign(progress, { max: total, value: done });
    else progress.removeAttribute("value");
    const numbers = { done: (done / MB).toFixed(0), total: total ? (total / MB).toFixed(0) : megabytes };
    if (!done && !total) told.textContent = t("gallery.waiting");
    else told.textContent = t(done === total ? "gallery.checking" : "gallery.done", numbers);
  }
  return { node, update, running: () => runs };
}
