// compare
let turn = 0;
mixviz.views("compare", async (value) => {
  root().dataset.shown = String(++turn);
});
