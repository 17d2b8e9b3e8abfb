// A folder of the visitor's own: sent picture by picture, looked at in parts, then laid out by a network.
const PICTURES = /\.(jpe?g|png|webp|gif|bmp|avif|tiff?)$/i;
const [MOST, PART] = [300, 20];

// As many as are taken, evenly over all there are, so that every sub-folder keeps its share.
function someOf(files) {
  const known = [...files].filter(({ name }) => PICTURES.test(name)).sort((a, b) => ((a.webkitRelativePath || a.name) < (b.webkitRelativePath || b.name) ? -1 : 1));
  const count = Math.min(known.length, MOST);
  return { taken: Array.from({ length: count }, (_, i) => known[Math.floor((i * known.length) / count)]), known: known.length, others: files.length - known.length };
}

// `done` gets what can be used: {paths, names, sheets, left: [[name, reason]]}; `tell` how far it is.
async function sendFolder(files, tell) {
  const { taken, known, others } = someOf(files), sent = { paths: [], names: [], sheets: [], left: [], known, others };
  for (let from = 0; from < taken.length; from += PART) {
    tell(t("embed.sending", { i: from, n: taken.length }));
    const part = taken.slice(from, from + PART);
    const there = await Promise.all(part.map((file) => upload(file).then(({ path }) => path, () => null)));
    const arrived = part.filter((_, i) => there[i]), paths = there.filter(Boolean);
    part.forEach((file, i) => there[i] || sent.left.push([file.name, t("embed.too_big")]));
    if (!paths.length) continue;
    const answer = await asked("look_in", { files: paths });
    if (answer.message) throw new Error(answer.message);
    const used = answer.reasons.map((reason, i) => !reason && i).filter((i) => i !== false);
    answer.reasons.forEach((reason, i) => reason && sent.left.push([arrived[i].name, reason]));
    const sheet = answer.sheet && (await new mixviz.Sheet().open(answer.sheet));
    used.forEach((i, k) => {
      sent.paths.push(paths[i]);
      sent.names.push(arrived[i].webkitRelativePath || arrived[i].name);
      sent.sheets.push({ url: sheet, index: k, columns: 20, rows: Math.ceil(used.length / 20) });
    });
  }
  return sent;
}

// Out of reach, the server's functions reject or answer nothing.
async function asked(name, state) {
  const answer = await server[name]({ ...state, language: mixviz.language() }).catch(() => null);
  return answer && typeof answer === "object" ? answer : { message: t("failed") };
}

async function send(input) {
  const files = [...input.files];
  input.value = "";
  if (!files.length) return;
  inputs.forEach((each) => { each.disabled = true; });
  try {
    const sent = await sendFolder(files, (text) => { progress.textContent = text; });
    missing.replaceChildren(...sent.left.map(([name, reason]) => make("li", { textContent: `${name}: ${reason}` })));
    own?.sheets.forEach(({ url }) => URL.revokeObjectURL(url));
    own = { ...sent, laid: {}, shown: false };
    await layOut(network().name);
  } catch (error) {
    progress.textContent = error.message;
  } finally {
    inputs.forEach((each) => { each.disabled = false; });
    if (own && Object.keys(own.laid).length) [own.shown, pinned] = [true, null];
    drawAll();
    if (own?.shown) scatter.nodes[0].scrollIntoView({ block: "center" });
    root().dataset.folder = String(++folders);
  }
}

async function layOut(name, plot = plane() === "tsne") {
  const mine = own, before = mine.laid[name];
  if (before && (before.tsne || !plot)) return;
  progress.textContent = t(plot ? "embed.laying_tsne" : "embed.laying", { network: fixed.networks.find((its) => its.name === name).title });
  const answer = await asked("lay_out", { files: mine.paths, names: mine.names, network: name, tsne: plot });
  if (mine !== own) return;
  if (answer.message) throw new Error(answer.message);
  mine.laid[name] = answer;
  const { known, others, paths } = mine;
  progress.textContent = [
    t("embed.done", { count: paths.length, classes: answer.classes.length }), known > MOST ? t("embed.some", { n: known, most: MOST }) : "", others ? t("embed.others", { count: others }) : "",
    answer.here ? "" : t(answer.classes.length ? "embed.few_classes" : "embed.no_classes"),
  ].filter(Boolean).join(" ");
  drawAll();
}

async function measureAll() {
  all.disabled = true;
  try {
    for (const its of fixed.networks) await layOut(its.name);
  } catch (error) {
    progress.textContent = error.message;
  }
  all.disabled = false;
}

function drawOwn() {
  const measured = fixed.networks.filter(({ name }) => own?.laid[name]);
  all.hidden = !measured.length || measured.length === fixed.networks.length;
  ownTable.hidden = !measured.some(({ name }) => own.laid[name].here);
  if (!ownTable.hidden) rank(ownTable, COLUMNS.slice(0, 4), measured, ({ name }) => own.laid[name]?.here);
}
