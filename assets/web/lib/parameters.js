// Which method, and its own parameters as controls made from their fields.
function offerMethods(choose) {
  if (choose.options.length) return;
  const all = Object.entries(mixviz.methods), families = Object.groupBy ? Object.groupBy(all, ([, [, family]]) => family) : { all };
  for (const [family, entries] of Object.entries(families)) {
    choose.append(make("optgroup", { label: t(`family.${family}`) }, ...entries.map(([name, [text]]) => make("option", { value: name, textContent: text }))));
  }
}

// `update` takes {method, held, parameters}. A control that is in hand stays as it is: it is what the answer answers to.
function parameterControls(prefix) {
  const node = make("div", { class: "mv-controls" });

  function update(value) {
    const key = JSON.stringify([value.method, value.held]);
    if (node.dataset.key !== key) {
      node.dataset.key = key;
      node.replaceChildren(...value.parameters.map((about) => control(about, value)));
      if (!value.parameters.length) node.append(make("p", { textContent: t("no_parameters") }));
      else node.append(make("button", { type: "button", class: "mv-button", textContent: t("reset"), on: { click: () => reset(value) } }));
    }
    for (const about of value.parameters) {
      const input = node.querySelector(`[name="${about.name}"]`);
      if (document.activeElement !== input) about.kind === "bool" ? (input.checked = about.value) : (input.value = about.value);
      const output = node.querySelector(`output[for="${input.id}"]`);
      if (output) output.textContent = Number(about.value).toLocaleString("en", { maximumFractionDigits: 3 });
    }
  }

  function reset(value) {
    node.dataset.key = "";
    mixviz.set({ parameters: {}, box: null, mask: null });
    const alpha = value.parameters.find((about) => about.name === "alpha");
    if (alpha) mixviz.restore({ alpha: alpha.default });
  }

  function control(about, value) {
    const id = `${prefix}-${about.name}`, number = about.kind === "int" || about.kind === "float";
    const read = (node) => (number ? Number(node.value) : about.kind === "bool" ? node.checked : node.value);
    // There is one α on the page: this control is another handle of the one at its foot, which follows when it is let go.
    const shared = about.name === "alpha";
    const changed = (value) => (shared ? { alpha: value } : { parameters: { ...mixviz.state.parameters, [about.name]: value } });
    const set = (event) => mixviz.set({ ...changed(read(event.target)), box: null, mask: null });
    const settle = (event) => shared && mixviz.restore({ alpha: read(event.target) });
    const input = number
      ? make("input", { type: "range", min: about.low, max: about.high, step: about.kind === "int" ? 1 : about.high > 2 ? 0.05 : 0.01, on: { input: set, change: settle } })
      : about.kind === "bool"
        ? make("input", { type: "checkbox", on: { change: set } })
        : !about.choices.length
        ? make("input", { type: "text", placeholder: about.example, on: { change: set } })
        : make("select", { on: { change: set } }, ...about.choices.map((choice, i) => make("option", { value: choice, textContent: about.labels[i] })));
    Object.assign(input, { id, name: about.name });
    const info = make("small", { id: `${id}-info`, textContent: about.text + (shared && value.held ? `. ${t("alpha_held")}` : "") });
    input.setAttribute("aria-describedby", info.id);
    const output = number ? make("output", { htmlFor: id }) : "";
    return make("div", { class: "mv-control" }, make("label", { htmlFor: id }, make("code", { textContent: about.name }), output), input, info);
  }

  return { node, update };
}

// Lines of Python with a button that copies them.
function codePanel() {
  const code = make("code"), copied = make("span", { class: "mv-small", aria: { role: "status" } });
  const copy = make("button", { type: "button", class: "mv-button", textContent: t("copy_code"), on: { click: async () => {
    await navigator.clipboard.writeText(code.textContent).catch(() => {});
    copied.textContent = t("code_copied");
    setTimeout(() => (copied.textContent = ""), 2000);
  } } });
  return { nodes: [make("pre", { tabIndex: 0 }, code), make("div", { class: "mv-chips" }, copy, copied)], update: (text) => { code.textContent = text; } };
}
