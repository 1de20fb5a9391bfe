// The grid: which answers there are, and what they say.

const grid = JSON.parse(document.getElementById("data").textContent);
const HYPOTHESES = Object.entries(grid.hypotheses).map(([name, words]) => ({ key: slug(name), words }));
const PARTS = ["compute", "contention", "transfer", "gap", "host"]; // of a step, as they are stacked

function slug(name) {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}

// A size as the command line takes it.
function sizeKey(size) {
  return size.replace(" ", "");
}

function setupOf({ model, machine, gpus }) {
  return grid.setups.find((one) => one.model === model && one.machine === machine && one.ranks === Number(gpus));
}

// The slices that a set-up has, in the order of its answers, which the default copies begin.
function slicesOf(setup) {
  const largest = setup.ranks === Math.max(...grid.ranks);
  return grid.slices.slice(largest ? grid.slices.indexOf(grid.smallest_of_eight) : 0);
}

// What is chosen, with its answers.
function found(chosen) {
  const setup = setupOf(chosen);
  const load = grid.tokens.indexOf(Number(chosen.tokens));
  const hypothesis = HYPOTHESES.findIndex((one) => one.key === chosen.hypothesis);
  const strategy = 1 + slicesOf(setup).findIndex((size) => sizeKey(size) === chosen.slice);
  const gainOf = (rows) => ({ gain: rows[strategy][0] / 1000, half: rows[strategy][1] / 1000 });
  return {
    chosen,
    setup,
    load,
    hypothesis,
    size: slicesOf(setup)[strategy - 1],
    gains: setup.answers.map((hypotheses) => hypotheses.map(gainOf)), // by load, then by hypothesis
    ratios: setup.ratios.map((hypotheses) => hypotheses[hypothesis]), // by load
    overrides: setup.overrides[load][hypothesis],
    span: setup.spans[load][hypothesis], // of the excerpts, in microseconds
    plain: answerOf(setup, load, hypothesis, 0),
    batched: answerOf(setup, load, hypothesis, strategy),
  };
}

// What a set-up says of a strategy (0: the default copies): the grid's columns by name, and a few layers of each rank.
function answerOf(setup, load, hypothesis, strategy) {
  const row = setup.answers[load][hypothesis][strategy];
  const named = Object.fromEntries(grid.columns.map((name, place) => [name, row[place]]));
  return { ...named, layers: excerptOf(setup, named.excerpt) };
}

// Each rank's layers, with places from 0 to 1 on the clock shown (docs/explorer/excerpt.py says how they are written).
function excerptOf(setup, number) {
  const base = grid.digits.length;
  const digit = (text, at) => grid.digits.indexOf(text[at]);
  const two = (text, at) => digit(text, at) * base + digit(text, at + 1);
  return setup.excerpts[number].split(",").map((text) => {
    const layers = [];
    for (let at = 2; at < text.length; at += 13) {
      const places = [0, 2, 4, 6, 8, 10].map((of) => two(text, at + of) / (base ** 2 - 1));
      const [ready, needed, had, ended, pulls, pulled] = places;
      const alone = digit(text, at + 12) / (base - 1);
      layers.push({ layer: two(text, 0) + layers.length, ready, needed, had, ended, pulls, pulled, alone });
    }
    return layers;
  });
}
