// What the view says in words: the answer, what it rests on, and the command that repeats it.

const SAME = 0.005; // gains below half a percent are not worth a change

function percent(share, signed = true) {
  const size = Math.abs(100 * share).toFixed(Math.abs(share) < 0.0995 ? 1 : 0);
  if (Number(size) === 0) return "0 %";
  return `${share < 0 ? "−" : signed ? "+" : ""}${size} %`;
}

function milliseconds(micros) {
  const ms = micros / 1000;
  return ms === 0 ? "0" : ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0);
}

// The answer as words and elements.
function answerIn(view) {
  const { model, machine, gpus, tokens } = view.chosen;
  const name = grid.machines[machine];
  const group = `${gpus} GPUs of ${name.startsWith("H") ? "an" : "a"} ${name}`;
  const place = `${grid.models[model]}, ${group}, ${counted(tokens)} tokens a step: `;
  const [short, rest] = verdictOf(view);
  return [place, made("strong", {}, short), `${rest}, if an engine has ${HYPOTHESES[view.hypothesis].words}.`];
}

function verdictOf(view) {
  const { gain, half } = view.gains[view.load][view.hypothesis];
  const interval = `(± ${percent(half, false)}, 95 % interval)`;
  const batches = `batches of ${view.size}`;
  if (Math.abs(gain) < SAME && half < SAME) {
    return [`${batches} make no difference`, ` to the default copies: ${percent(gain)} ${interval}`];
  }
  if (Math.abs(gain) <= half) {
    return ["no difference can be told", ` between ${batches} and the default copies: ${percent(gain)} ${interval}`];
  }
  const change = `${percent(Math.abs(gain), false)} ${gain > 0 ? "faster" : "slower"}`;
  return [`${batches} make a forward step ${change}`, ` than the default copies ${interval}`];
}

function rangeOf(gains) {
  const all = gains.map(({ gain }) => gain);
  return { low: Math.min(...all), high: Math.max(...all) };
}

function groundsOf(view) {
  const { low, high } = rangeOf(view.gains[view.load]);
  const ratio = view.ratios[view.load];
  const hidden = ratio < 2.5 ? "but others can make it late" : "which hides nearly all of it";
  const meaning = ratio < 1 ? "so that a step waits for experts" : hidden;
  const over = `Over the ${HYPOTHESES.length} hypotheses here: ${percent(low)} to ${percent(high)}.`;
  return `${over} A layer computes ${ratio.toFixed(2)} × as long as its prefetch takes alone, ${meaning}.`;
}

// One line for small screens, on which the answer is out of sight while something is chosen.
function briefOf(view) {
  const { low, high } = rangeOf(view.gains[view.load]);
  const { gain } = view.gains[view.load][view.hypothesis];
  return `batched copies ${percent(gain)} (${percent(low)} to ${percent(high)})`;
}

function commandOf(view) {
  const { model, machine, gpus, tokens, slice } = view.chosen;
  return [
    `dwdp-sim -m workload=iteration model=${model} cluster=${machine} dwdp.dwdp_size=${gpus}`,
    `strategy=default,batched strategy.slice_bytes=${slice}`,
    `workload.isl=${Math.min(tokens, grid.longest_input)} workload.max_num_tokens=${tokens}`,
    `workload.range=false ${view.overrides}`,
  ]
    .join(" ")
    .trim();
}

function basisOf(view) {
  const inputs = counted(Math.min(view.chosen.tokens, grid.longest_input));
  const engine = view.setup.kernels === "trtllm" ? "TensorRT-LLM" : view.setup.kernels;
  return [
    `All layers of the model; inputs of 0.8 to 1 × ${inputs} tokens; two steps count after one that does not, ` +
      `for each of ${grid.seeds} seeds, which draw lengths and starts.`,
    `Layers compute as long as the measured kernels of ${engine} do, which copies slow down a little. ` +
      "The host's own time is hidden.",
    "Nobody has published how a copy engine spreads a batch over its sources on three GPUs or more. " +
      "The hypotheses here are a few of those over which every prediction of the toolkit has a range.",
    "A bubble is divided by what made its prefetch late: contention and gaps first, up to the whole of it; what is " +
      "left is there with nothing but the bytes. Time behind the layer before counts as that layer's did.",
  ];
}
