// A folder of the visitor's own: sent picture by picture, looked at in parts, then laid out by a network.
const MOST = 300;

async function send(input) {
  const files = [...input.files];
  input.value = "";
  if (!files.length) return;
  inputs.forEach((each) => { each.disabled = true; });
  try {
    const sent = await sendFolder(files, MOST, (text) => { progress.textContent = text; });
    missing.replaceChildren(...sent.left.map((reason) => make("li", { textContent: reason })));
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
  const answer = await mixviz.question("lay_out", { files: mine.paths, names: mine.names, network: name, tsne: plot }, server);
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

const laidOut = () => fixed.networks.filter(({ name }) => own?.laid[name]);

function drawOwn() {
  const measured = laidOut();
  all.hidden = !measured.length || measured.length === fixed.networks.length;
  ownTable.hidden = !measured.some(({ name }) => own.laid[name].here);
  if (!ownTable.hidden) rank(ownTable, COLUMNS.slice(0, 4), measured, ({ name }) => own.laid[name]?.here);
}
