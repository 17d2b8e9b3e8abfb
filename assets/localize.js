// localize
let turn = 0;
mixviz.views("localize", async (value) => {
  root().dataset.shown = String(++turn);
});
