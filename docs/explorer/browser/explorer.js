// Whatever is chosen: the answer in words, the pictures, the command and the page's address follow.

const form = document.getElementById("choices");
let chosen = possible(askedByAddress());

function choose(changes) {
  chosen = possible({ ...chosen, ...changes });
  history.replaceState(null, "", addressOf(chosen));
  update();
}

function update() {
  const view = found(chosen);
  showChoices(form, chosen);
  document.getElementById("answer").replaceChildren(...answerIn(view));
  document.getElementById("grounds").textContent = groundsOf(view);
  document.getElementById("brief").textContent = briefOf(view);
  document.getElementById("command").textContent = commandOf(view);
  document.getElementById("basis").replaceChildren(...basisOf(view).map((words) => made("li", {}, words)));
  document.getElementById("copied").textContent = "";
  draw(view);
}

function draw(view) {
  drawGains(view, choose);
  drawSplit(view);
  drawTimeline(view);
}

// To the clipboard; a browser that does not allow it shows the words, to be copied by hand.
async function copy(words) {
  const said = document.getElementById("copied");
  try {
    await navigator.clipboard.writeText(words);
    said.textContent = "Copied.";
  } catch {
    said.textContent = `This browser keeps pages from copying: ${words}`;
  }
}

buildChoices(form);
showLegend();
update();
form.addEventListener("change", ({ target }) => choose({ [target.name]: target.value }));
form.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("copy-command").addEventListener("click", () => copy(commandOf(found(chosen))));
document
  .getElementById("copy-address")
  .addEventListener("click", () => copy(`${location.href.split("#")[0]}${addressOf(chosen)}`));
addEventListener("hashchange", () => {
  chosen = possible(askedByAddress());
  update();
});
let drawnAt = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== drawnAt) draw(found(chosen));
  drawnAt = innerWidth;
});
