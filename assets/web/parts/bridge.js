// Where the page's script and the server meet, and the line that says what went wrong.
root().append(make("p", { class: "mv-message", aria: { role: "status" } }));
mixviz.labels = Object.fromEntries(Object.entries(props.value.labels).map(([stem, label]) => [stem, t(`object.${label}`)]));
mixviz.methods = props.value.methods;
// Gradio's own inputs ask the system for image/*, which seldom has HEIC or JPEG 2000 among them.
document.addEventListener("click", ({ target }) => {
  const input = target.closest?.("#image_a, #image_b")?.querySelector("input[type=file]");
  if (input) input.accept = `image/*,${t("endings")}`;
}, true);
mixviz.restore = (state) => {
  mixviz.restoring = true;
  trigger("input", { ...state, language: mixviz.language() });
};
if (mixviz.wanted) mixviz.restore(mixviz.wanted);
mixviz.serve(server);
