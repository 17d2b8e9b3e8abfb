// embeddings
let turn = 0;
mixviz.views("embeddings", async (value) => {
  root().dataset.shown = String(++turn);
});
