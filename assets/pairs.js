// The bundled pairs, each a button with its two pictures.
root().append(
  make("h2", { class: "mv-heading", textContent: t("pairs") }),
  make("div", { class: "mv-pairs" }, ...props.value.map((pair) => make(
    "button",
    {
      type: "button", title: pair.name, aria: { label: t("pair", { name: pair.name }) },
      on: { click: () => mixviz.restore({ a: pair.a.replace(/\.\w+$/, ""), b: pair.b.replace(/\.\w+$/, "") }) },
    },
    make("img", { src: pair.picture_a, alt: "" }), make("img", { src: pair.picture_b, alt: "" }),
  ))),
);
