// The bundled pairs, each a button with its two pictures.
const told = (pair) => t("pair", { a: t(`object.${pair.label_a}`), b: t(`object.${pair.label_b}`) });
root().append(
  make("h2", { class: "mv-heading", textContent: t("pairs") }),
  make("div", { class: "mv-pairs" }, ...props.value.map((pair) => make(
    "button",
    {
      type: "button", title: told(pair), aria: { label: told(pair) }, on: { click: () => mixviz.restore({ a: pair.a, b: pair.b }) },
    },
    make("img", { src: pair.picture_a, alt: "" }), make("img", { src: pair.picture_b, alt: "" }),
  ))),
);
