// The controls: one group of options for each thing that can be chosen, and the page's address, which keeps what is.

const GROUPS = [
  { name: "model", title: "Model", options: Object.entries(grid.models) },
  { name: "machine", title: "Machine", options: Object.entries(grid.machines) },
  { name: "gpus", title: "GPUs in the group", options: grid.ranks.map((ranks) => [String(ranks), String(ranks)]) },
  { name: "tokens", title: "Tokens a step", options: grid.tokens.map((tokens) => [String(tokens), counted(tokens)]) },
  { name: "slice", title: "Slices of the batches", options: grid.slices.map((size) => [sizeKey(size), size]) },
  {
    name: "hypothesis",
    title: "Hypothesis: a copy engine has …",
    options: HYPOTHESES.map(({ key, words }) => [key, words]),
    long: true,
  },
];
const FIRST = {
  model: "deepseek_r1_nvfp4",
  machine: "gb200_nvl72",
  gpus: "4",
  tokens: "8192",
  slice: "2MiB",
  hypothesis: HYPOTHESES[0].key,
};
const SMALL = "left out of the grid with eight GPUs, where it takes long; the command below does it";

function counted(number) {
  return Number(number).toLocaleString("en");
}

// Why an option cannot be chosen together with what the groups before it say; empty if it can.
function lacking(name, value, chosen) {
  const place = { ...chosen, [name]: value };
  const machines = Object.keys(grid.machines);
  if (name === "model") return lackingAll(machines.map((machine) => lacking("machine", machine, place)));
  if (name === "machine") return lackingAll(grid.ranks.map((gpus) => lackingSetup({ ...place, gpus })));
  if (name === "gpus") return lackingSetup(place);
  if (name === "slice") return slicesOf(setupOf(chosen)).some((size) => sizeKey(size) === value) ? "" : SMALL;
  return "";
}

function lackingAll(reasons) {
  return reasons.every(Boolean) ? reasons[0] : "";
}

function lackingSetup(place) {
  const setup = setupOf(place);
  return setup ? (setup.lacking ?? "") : "not computed";
}

// What is asked for, where it can be had; else the usual value, or the first that can.
function possible(asked) {
  const chosen = {};
  for (const { name, options } of GROUPS) {
    const can = options.map(([value]) => value).filter((value) => !lacking(name, value, chosen));
    chosen[name] = [asked[name], FIRST[name]].find((value) => can.includes(value)) ?? can[0];
  }
  return chosen;
}

function buildChoices(form) {
  for (const { name, title, options, long } of GROUPS) {
    const labels = options.map(([value, words]) =>
      made("label", {}, made("input", { type: "radio", name, value }), made("span", {}, words)),
    );
    const all = made("div", { class: long ? "options long" : "options" }, ...labels);
    form.append(made("fieldset", {}, made("legend", {}, title), all, made("p", { class: "why", id: `why-${name}` })));
  }
}

// Show what is chosen, what cannot be, and why.
function showChoices(form, chosen) {
  for (const { name, options } of GROUPS) {
    const reasons = new Map();
    for (const [value, words] of options) {
      const input = form.querySelector(`[name="${name}"][value="${value}"]`);
      const why = lacking(name, value, chosen);
      input.checked = chosen[name] === value;
      input.disabled = Boolean(why);
      if (why) reasons.set(why, [...(reasons.get(why) ?? []), words]);
    }
    const lines = [...reasons].map(([why, words]) => `${words.join(", ")}: ${why}.`);
    document.getElementById(`why-${name}`).textContent = lines.join(" ");
  }
}

function addressOf(chosen) {
  return `#${new URLSearchParams(chosen)}`;
}

function askedByAddress() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}
