// The dialog in which a visitor chooses picture A or B: photographs, pairs, a file, the camera, the clipboard.
import { make } from "../lib/dom.js";
import { grabOf } from "../lib/grab.js";
import { forget, keep, kept, pathOf } from "../lib/own.js";
import { mixviz } from "../lib/page.js";
import { t } from "../lib/texts.js";

/** @import { Edges, Known, OwnPicture } from "../types.js" */
/** @typedef {"a" | "b"} Letter */

const LARGEST = 64 * 2 ** 20; // bytes, as on the server

/** @param {Known} known */
export function pickerOf({ pairs }) {
  /** @type {Letter} */
  let letter = "a";
  const heading = make("h2", { tabIndex: -1 });
  const typed = { a: "", b: "" }; // a label that was typed stays when another picture of one's own is chosen
  const isTyped = () => !!typed[letter] && [label.value, mixviz.state[`name_${letter}`]].includes(typed[letter]);
  /** @type {HTMLInputElement} */
  const label = make("input", {
    id: "mv-picture-label",
    type: "text",
    maxLength: 24,
    on: {
      input: () => (typed[letter] = label.value.trim()),
      change: () => stage.hidden && mixviz.change({ [`name_${letter}`]: labelled() }),
    },
  });
  const labelled = () => label.value.trim() || letter.toUpperCase();
  const photographs = make("div", { class: "mv-photographs" });
  const own = make("div", { class: "mv-photographs" });
  const ownPart = make(
    "section",
    { class: "mv-picker-own", hidden: true },
    make("h3", { textContent: t("picker.own") }),
    own,
    make("p", { class: "mv-small", textContent: t("picker.kept") }),
    make("button", { class: "mv-button", textContent: t("picker.forget"), on: { click: forgetAll } }),
  );
  const couples = make("div", { class: "mv-couples" });
  const file = make("input", {
    type: "file",
    id: "mv-picture-file",
    accept: `image/*,${t("endings")}`,
    on: {
      change: ({ target }) => {
        const [chosen] = target.files;
        if (chosen) take(chosen);
        target.value = "";
      },
    },
  });
  const upload = make("label", { class: "mv-button mv-primary", htmlFor: file.id, textContent: t("picker.file") });
  const camera = make("button", { class: "mv-button", textContent: t("picker.camera"), on: { click: () => film() } });
  const hint = make("p", { class: "mv-small", textContent: t("picker.hint") });
  const note = make("p", { class: "mv-picker-note", aria: { role: "status" } });
  const stage = make("div", { class: "mv-picker-stage", hidden: true });
  const close = make("button", { class: "mv-button", textContent: t("close") });
  /** @type {HTMLDialogElement} */
  const sheet = make(
    "dialog",
    { class: "mv-part mv-picker", aria: { label: t("picker.title") } },
    make("div", { class: "mv-picker-head" }, heading, close),
    make(
      "div",
      { class: "mv-picker-body" },
      make("p", { class: "mv-chips" }, make("label", { htmlFor: label.id, textContent: t("picker.label") }), label),
      make("div", { class: "mv-chips" }, upload, file, camera),
      hint,
      note,
      stage,
      ownPart,
      make("h3", { textContent: t("picker.photographs") }),
      photographs,
      make("h3", { textContent: t("pairs") }),
      couples,
    ),
  );
  document.querySelector("#mv-page")?.append(sheet);
  /** @type {MediaStream | null} */
  let stream = null;

  function build() {
    if (photographs.children.length) return;
    for (const { stem, path, label: name } of mixviz.photographs) {
      const thumb = make("span", { class: "mv-thumb" });
      mixviz.thumbnail(thumb, path);
      const button = make(
        "button",
        { data: { stem }, on: { click: () => choose(path, name) } },
        thumb,
        make("span", { textContent: name }),
      );
      photographs.append(button);
    }
    for (const pair of pairs) {
      const [a, b] = [pair.a, pair.b].map((one) => mixviz.photographs.find(({ stem }) => stem === one));
      if (!a || !b) continue;
      const title = t("pair", { a: a.label, b: b.label });
      const thumbs = [a, b].map(({ path }) => {
        const thumb = make("span", { class: "mv-thumb" });
        mixviz.thumbnail(thumb, path);
        return thumb;
      });
      couples.append(
        make(
          "button",
          {
            title,
            aria: { label: title },
            on: {
              click: () => {
                mixviz.change({ a: a.path, b: b.path, name_a: a.label, name_b: b.label });
                sheet.close();
              },
            },
          },
          ...thumbs,
        ),
      );
    }
  }

  /** The pictures that this browser keeps, with their previews. */
  async function offerOwn() {
    const pictures = await kept();
    ownPart.hidden = !pictures.length;
    own.replaceChildren(
      ...pictures.map((picture) => {
        const thumb = make("span", { class: "mv-thumb" });
        createImageBitmap(picture.file, { resizeWidth: 192 }).then(
          (bitmap) => (thumb.style.background = `center / cover url("${small(bitmap)}")`),
          () => mixviz.thumbnail(thumb, picture.path),
        );
        return make(
          "button",
          { on: { click: () => chooseOwn(picture) } },
          thumb,
          make("span", { textContent: picture.label }),
        );
      }),
    );
  }

  /** @param {OwnPicture} picture */
  async function chooseOwn(picture) {
    note.textContent = t("picker.sending");
    const path = await pathOf(picture);
    note.textContent = path ? "" : t("failed");
    if (path) choose(path, picture.label);
  }

  async function forgetAll() {
    await forget();
    const [first] = pairs;
    for (const one of /** @type {const} */ (["a", "b"])) {
      const bundled = mixviz.photographs.find(({ stem }) => stem === first[one]);
      if (bundled && !mixviz.photographs.some(({ path }) => path === mixviz.state[one])) {
        mixviz.change({ [one]: bundled.path, [`name_${one}`]: bundled.label });
      }
    }
    offerOwn();
    heading.focus();
  }

  /** @param {string} path @param {string} name */
  function choose(path, name) {
    mixviz.change({ [letter]: path, [`name_${letter}`]: name });
    sheet.close();
  }

  /** @param {File} picture @param {boolean} [whole] it need not be cropped any more */
  async function take(picture, whole = false) {
    if (!whole && !isTyped()) label.value = nameOf(picture);
    if (picture.size > LARGEST) return void (note.textContent = t("picker.large"));
    note.textContent = "";
    if (!whole && (await crop(picture))) return;
    note.textContent = t("picker.sending");
    const [path] = (await mixviz.upload([picture])) ?? [];
    if (!path) return void (note.textContent = t("failed"));
    const { message } = await mixviz.question("preview", { path });
    if (message) return void (note.textContent = message);
    note.textContent = "";
    const name = labelled();
    choose(path, name);
    keep(picture, path, name);
  }

  /** Offers to crop a picture that the browser can show. @param {File} picture */
  async function crop(picture) {
    const bitmap = await createImageBitmap(picture).catch(() => null);
    if (!bitmap) return false;
    const url = URL.createObjectURL(picture);
    /** @type {Edges} */
    let edges = [0, 0, 1, 1];
    const image = make("img", { src: url, alt: "" });
    const tile = make("div", { class: "mv-crop" }, image);
    const grab = grabOf(tile, t("picker.crop"), (now) => (edges = now));
    grab.node.hidden = true;
    tile.append(grab.node);
    const done = () => {
      URL.revokeObjectURL(url);
      stage.hidden = true;
      stage.replaceChildren();
    };
    const use = make("button", {
      class: "mv-button mv-primary",
      textContent: t("picker.use"),
      on: {
        click: async () => {
          const cut = grab.node.hidden ? picture : await cutOut(bitmap, edges);
          done();
          take(cut, true);
        },
      },
    });
    const start = make("button", {
      class: "mv-button",
      textContent: t("picker.crop"),
      aria: { pressed: "false" },
      on: {
        click: () => {
          grab.node.hidden = !grab.node.hidden;
          start.setAttribute("aria-pressed", String(!grab.node.hidden));
          edges = [0.15, 0.15, 0.85, 0.85];
          grab.set(edges);
        },
      },
    });
    stage.replaceChildren(tile, make("div", { class: "mv-chips" }, use, start));
    stage.hidden = false;
    use.focus();
    return true;
  }

  async function film() {
    stream = (await navigator.mediaDevices?.getUserMedia({ video: true }).catch(() => null)) ?? null;
    if (!stream) return void (note.textContent = t("picker.no_camera"));
    if (!isTyped()) label.value = "";
    const video = make("video", { autoplay: true, muted: true, playsInline: true, srcObject: stream });
    const shoot = make("button", {
      class: "mv-button mv-primary",
      textContent: t("picker.shoot"),
      on: {
        click: async () => {
          const bitmap = await createImageBitmap(video);
          halt();
          take(await cutOut(bitmap, [0, 0, 1, 1]), true);
        },
      },
    });
    stage.replaceChildren(make("div", { class: "mv-crop" }, video), make("div", { class: "mv-chips" }, shoot));
    stage.hidden = false;
    shoot.focus();
  }

  function halt() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    stage.hidden = true;
    stage.replaceChildren();
  }

  close.addEventListener("click", () => sheet.close());
  sheet.addEventListener("close", () => {
    if (stream) halt(); // a picture that waits to be cropped waits on
    note.textContent = "";
  });
  sheet.addEventListener("click", ({ target }) => target === sheet && sheet.close());
  sheet.addEventListener("dragover", (event) => event.preventDefault());
  sheet.addEventListener("drop", (event) => {
    event.preventDefault();
    const [picture] = event.dataTransfer?.files ?? [];
    if (picture) take(picture);
  });
  addEventListener("paste", (event) => {
    const [picture] = event.clipboardData?.files ?? [];
    if (sheet.open && picture) take(picture);
  });

  /** Opens the picker. @param {Letter} which */
  return (which) => {
    if (which !== letter) halt();
    letter = which;
    build();
    offerOwn();
    heading.textContent = t("picker.heading", { letter: letter.toUpperCase() });
    if (stage.hidden) label.value = mixviz.state[`name_${letter}`] ?? "";
    sheet.showModal();
    heading.focus();
  };
}

/** A label from a file's name, if that is a word: "bee" of bee.jpg, "" of IMG_2034.jpg. @param {File} file */
function nameOf({ name }) {
  const word = name.replace(/\.\w+$/, "").replace(/[_-]+/g, " ");
  return /^[\p{L} ]{2,24}$/u.test(word) ? word : "";
}

/** @param {ImageBitmap} bitmap */
function small(bitmap) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  return canvas.toDataURL("image/jpeg", 0.8);
}

/**
 * A part of a picture as a file of its own.
 *
 * @param {ImageBitmap} bitmap
 * @param {Edges} edges
 * @returns {Promise<File>}
 */
async function cutOut(bitmap, [top, left, bottom, right]) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round((right - left) * bitmap.width));
  canvas.height = Math.max(1, Math.round((bottom - top) * bitmap.height));
  canvas.getContext("2d")?.drawImage(bitmap, -left * bitmap.width, -top * bitmap.height);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return new File([/** @type {Blob} */ (blob)], "picture.png", { type: "image/png" });
}
