// Where the page's script and the server meet, and the line that says what went wrong.
root().append(make("p", { class: "mv-message", aria: { role: "status" } }));
mixviz.labels = Object.fromEntries(Object.entries(props.value.labels).map(([stem, label]) => [stem, t(`object.${label}`)]));
mixviz.methods = props.value.methods;
mixviz.restore = (state) => {
  mixviz.restoring = true;
  trigger("input", { ...state, language: mixviz.language() });
};
if (mixviz.wanted) mixviz.restore(mixviz.wanted);
mixviz.serve(server);
