// Pictures of the visitor's own, sent one by one and looked at in parts; a view's `server` says which can be used.
const PICTURES = t("endings").split(","), isPicture = ({ name }) => PICTURES.some((ending) => name.toLowerCase().endsWith(ending));
const PART = 20;

// As many as are taken, evenly over all there are, so that every sub-folder keeps its share.
function someOf(files, most) {
  const known = [...files].filter(isPicture).sort((a, b) => ((a.webkitRelativePath || a.name) < (b.webkitRelativePath || b.name) ? -1 : 1));
  const count = Math.min(known.length, most);
  return { taken: Array.from({ length: count }, (_, i) => known[Math.floor((i * known.length) / count)]), known: known.length, others: files.length - known.length };
}

// Gives what can be used: {paths, names, sheets, left: [reason], known, others}; `tell` hears how far it is.
async function sendFolder(files, most, tell) {
  const { taken, known, others } = someOf(files, most), sent = { paths: [], names: [], sheets: [], left: [], known, others };
  for (let from = 0; from < taken.length; from += PART) {
    tell(t("embed.sending", { i: from, n: taken.length }));
    const part = taken.slice(from, from + PART);
    const there = await Promise.all(part.map((file) => upload(file).then(({ path }) => path, () => null)));
    const arrived = part.filter((_, i) => there[i]), paths = there.filter(Boolean);
    part.forEach((file, i) => there[i] || sent.left.push(t("embed.too_big", { name: file.name })));
    if (!paths.length) continue;
    const answer = await mixviz.question("look_in", { files: paths }, server);
    if (answer.message) throw new Error(answer.message);
    const used = answer.reasons.map((reason, i) => !reason && i).filter((i) => i !== false);
    answer.reasons.forEach((reason) => reason && sent.left.push(reason));
    const sheet = answer.sheet && (await new mixviz.Sheet().open(answer.sheet));
    used.forEach((i, k) => {
      sent.paths.push(paths[i]);
      sent.names.push(arrived[i].webkitRelativePath || arrived[i].name);
      sent.sheets.push({ url: sheet, index: k, columns: 20, rows: Math.ceil(used.length / 20) });
    });
  }
  return sent;
}

// A zip is sent whole, and unpacked by the server in parts.
async function sendZip(file, tell) {
  const sent = { paths: [], names: [], left: [], known: 0, others: 0 };
  tell(t("embed.sending", { i: 0, n: 1 }));
  const [zip] = (await mixviz.upload([file])) ?? [];
  if (!zip) throw new Error(t("embed.too_big", { name: file.name }));
  for (let start = 0, total = 1; start < total; start += PART) {
    const answer = await mixviz.question("unpack", { zip, start }, server);
    if (answer.message) throw new Error(answer.message);
    answer.names.forEach((name, i) => {
      if (answer.reasons[i]) return sent.left.push(answer.reasons[i]);
      sent.paths.push(answer.paths[i]);
      sent.names.push(name);
    });
    Object.assign(sent, { known: answer.known, others: answer.others });
    total = answer.total;
    tell(t("batch.unpacking", { i: Math.min(start + PART, total), n: total }));
  }
  return sent;
}
