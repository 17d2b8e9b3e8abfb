// From B to A in steps, by two ways: all steps and answers are here, so that the slider asks nobody.
function betweenPanel(rows) {
  const pictures = new mixviz.Sheet();
  let data = null, names = ["A", "B"], way = "mixup", step = 0, turn = 0;
  const heading = make("h2", { id: "mv-between", tabIndex: -1, textContent: t("compare.between") });
  const told = make("p", { class: "mv-told", textContent: t("compare.between_why") }), known = make("p", { class: "mv-small" }), counted = make("p", { class: "mv-told mv-counted", aria: { role: "status" } });
  const slider = make("input", { type: "range", min: 0, step: 1, id: "mv-step", on: { input: () => show(Number(slider.value)) } });
  const where = make("b"), ends = make("div", { class: "mv-ends" }, make("span"), make("span"));
  const tiles = ["mixup", "cutmix"].map((name) => {
    const tile = make("span", { class: "mv-tile" });
    return { name, tile, button: make("button", { type: "button", class: "mv-way", data: { way: name }, on: { click: () => { way = name; draw(); } } }, tile, make("b", { textContent: t(`compare.way.${name}`) }), make("small", { textContent: t(`compare.way_why.${name}`) })) };
  });
  const list = make("ul", { class: "mv-chances" }), hidden = new Set();
  const spec = { y: { label: t("compare.probability"), low: 0, high: 100, unit: "\u00a0%", format: (x) => String(+x.toFixed(1)) }, hidden, changed: () => plots.forEach((plot) => plot.refresh()), lit: (key) => plots.forEach((plot) => plot.light(key)) };
  const plots = ["a", "b"].map((letter) => plotOf({ ...spec, name: `between-${letter}`, legend: letter === "a" ? "saved" : undefined }));
  const stage = make("div", { hidden: true },
    make("div", { class: "mv-panel" }, known,
      make("div", { class: "mv-between" }, make("div", { class: "mv-ways" }, ...tiles.map(({ button }) => button)), make("div", {}, make("label", { htmlFor: "mv-step" }, `${t("lam")}: `, where), slider, ends, counted)), list),
    make("div", { class: "mv-plots" }, ...plots.map(({ node }) => node)));
  const waiting = make("p", { class: "mv-small", aria: { role: "status" }, textContent: t("compare.working") });
  const node = make("section", { data: { part: "between" }, aria: { label: t("compare.between") } }, heading, told, waiting, stage);

  const index = (network) => rows.findIndex((row) => row.networks.includes(network));
  const titleOf = (network) => (index(network) < 0 ? network : rowName(rows[index(network)]));
  const label = (share, letter) => 100 * (letter === "a" ? share : 1 - share);
  const classes = () => data.classes.map(className);

  function drawPlots() {
    const answers = data.ways[way];
    plots.forEach((plot, i) => {
      const letter = "ab"[i], name = classes()[i];
      plot.update({
        title: t("compare.chance_of", { name, letter: "AB"[i] }), at: data.lams[step], x: { label: t("compare.lam_axis", { a: names[0], b: names[1] }), low: 0, high: 1 },
        series: [
          ...data.networks.map((network, n) => ({ key: rows[index(network)]?.title ?? network, title: titleOf(network), index: Math.max(0, index(network)), marks: false, points: data.lams.map((x, at) => ({ x, y: answers[letter][n][at] })) })),
          { key: "label", title: t("compare.label_line"), colour: INK, dash: "6 4", marks: false, points: data.lams.map((x, at) => ({ x, y: +label(answers.share[at], letter).toFixed(2) })) },
        ],
        note: t(`compare.between_note.${way}`),
      });
    });
  }

  function chance(network, n) {
    const answers = data.ways[way], shares = [answers.a[n][step], answers.b[n][step]], top = data.all[answers.top[n][step]];
    const parts = ["mv-a", "mv-b"].map((kind, i) => make("span", { class: kind, style: `width: ${shares[i]}%` }));
    return { shares, node: make("li", { data: { network } },
      make("span", { class: "mv-who", textContent: titleOf(network) }),
      make("span", { class: "mv-says", textContent: `A ${tenth(shares[0])}\u00a0% · B ${tenth(shares[1])}\u00a0% · ${data.classes.includes(top) ? "" : t("compare.else")}${className(top)}` }),
      make("span", { class: "mv-split", aria: { hidden: "true" } }, ...parts)) };
  }

  // Where the slider stands: pictures, marker and list, and nothing else.
  function show(at) {
    step = at;
    const lam = data.lams[at], answers = data.ways[way], n = data.lams.length, [a, b] = data.classes.map((name) => data.all.indexOf(name));
    slider.value = at;
    slider.setAttribute("aria-valuetext", `λ ${lam.toFixed(2)}`);
    where.textContent = lam.toFixed(2);
    tiles.forEach(({ name, tile, button }, row) => {
      place(tile, pictures.url, row * n + at, n, 2);
      button.setAttribute("aria-pressed", String(name === way));
    });
    plots.forEach((plot) => plot.mark(lam));
    const tops = answers.top.map((line) => line[at]), [as, bs] = [a, b].map((wanted) => tops.filter((top) => top === wanted).length);
    const [first, second] = classes();
    counted.textContent = t("compare.counted", { n: tops.length, as, bs, others: tops.length - as - bs, a: first, b: second, share: tenth(label(answers.share[at], "a")) });
    const found = data.networks.map(chance).sort((x, y) => y.shares[0] - x.shares[0]);
    list.replaceChildren(...found.map((entry) => entry.node));
  }
  function draw() {
    drawPlots();
    show(step);
  }

  async function ask(key, labels) {
    const mine = ++turn;
    waiting.hidden = false;
    waiting.textContent = t("compare.working");
    const answer = await server.between({ ...mixviz.state, language: mixviz.language() }).catch(() => null);
    const url = answer?.sheet && await pictures.open(answer.sheet);
    if (mine !== turn) return url && URL.revokeObjectURL(url);
    if (!url) return (waiting.textContent = answer?.message ?? t("failed"));
    step = data ? step : Math.floor(answer.lams.length / 2);
    [data, names] = [answer, labels];
    pictures.take(url);
    slider.max = data.lams.length - 1;
    ends.firstChild.textContent = t("compare.end", { lam: 0, letter: "B", name: names[1] });
    ends.lastChild.textContent = t("compare.end", { lam: 1, letter: "A", name: names[0] });
    const said = ["A", "B"].map((letter, i) => t(data.known[i] ? "compare.class_known" : "compare.class_guess", { letter, name: names[i], class: classes()[i], n: data.all.length }));
    known.textContent = [t("compare.knows", { n: data.all.length, side: data.side, classes: data.all.map(className).join(", ") }), ...said].join(" ");
    waiting.hidden = true;
    stage.hidden = false;
    draw();
    node.dataset.pair = key;
  }
  let asked = "";
  return { node, update: (labels) => {
    const key = [mixviz.state.a, mixviz.state.b, ...labels].join("|");
    if (key !== asked) ask((asked = key), labels);
  } };
}
