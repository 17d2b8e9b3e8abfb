// A visitor's own network, from its card and weights, which the server checks.
import { make } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { t } from "../../lib/texts.js";

/** @import { Server } from "../../types.js" */

const LARGEST = 64e6; // bytes of a file

/** @param {Server} server @param {(about: any) => void} joined */
export function ownPanel(server, joined) {
  const note = make("p", { class: "mv-small", aria: { role: "status" } });
  const files = make("input", {
    type: "file",
    multiple: true,
    accept: ".json,.safetensors",
    aria: { label: t("look.own_network") },
    on: {
      change: async () => {
        note.textContent = t("look.own_reading");
        note.textContent = await open([...(files.files ?? [])]);
        files.value = "";
      },
    },
  });

  /** Returns what to say. @param {File[]} chosen */
  async function open(chosen) {
    const card = chosen.find((file) => file.name.endsWith(".json"));
    const weights = chosen.find((file) => file.name.endsWith(".safetensors"));
    if (!card || !weights || chosen.length !== 2) return t("look.own_two");
    if (chosen.some((file) => file.size > LARGEST)) return t("look.own_large");
    const paths = await mixviz.upload([card, weights]);
    if (!paths) return t("failed");
    const own = [...mixviz.state.own, paths];
    const answer = await mixviz.question("about", { own }, server);
    if (answer.message) return answer.message;
    joined(answer);
    mixviz.set({ own });
    return t("look.own_there", { name: Object.values(answer.networks).at(-1).title });
  }

  return make(
    "details",
    { class: "mv-panel" },
    make("summary", { textContent: t("look.own_network") }),
    make("p", { class: "mv-small", textContent: t("look.own_why") }),
    make("div", { class: "mv-load" }, files),
    note,
  );
}
