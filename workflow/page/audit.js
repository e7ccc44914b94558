// Every number says where it comes from, and takes itself again from the errors of single images.

function numberElements(name) {
  return [...document.querySelectorAll("span.number")].filter(span => !name || span.dataset.value === name);
}

function startAudit(data) {
  const panel = makePanel();
  for (const span of numberElements()) {
    const open = () => showNumber(panel, data, span);
    span.setAttribute("role", "button");
    span.setAttribute("tabindex", "0");
    span.setAttribute("aria-haspopup", "dialog");
    span.addEventListener("click", open);
    span.addEventListener("keydown", event => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      open();
    });
  }
}

function makePanel() {
  const close = make("button", {type: "button", class: "close", "aria-label": "Close"}, "×");
  const body = make("div", {class: "body"});
  const panel = make("div", {id: "number-panel", role: "dialog", "aria-label": "A number and what it rests on", hidden: ""}, close, body);
  let from = null;
  const leave = () => {
    panel.hidden = true;
    from?.focus({preventScroll: true});
  };
  close.addEventListener("click", leave);
  panel.addEventListener("keydown", event => { if (event.key === "Escape") leave(); });
  document.querySelector("main").append(panel);
  return {fill: (origin, ...children) => {
    from = origin;
    body.replaceChildren(...children);
    panel.hidden = false;
    close.focus({preventScroll: true});
  }};
}

function showNumber(panel, data, span) {
  const name = span.dataset.value, number = data.numbers[name], result = make("div", {"aria-live": "polite"});
  let draw = 0;
  const again = () => {
    const found = audited(number, data.samples, ++draw);
    span.dataset.state = found.state;
    result.replaceChildren(...verdictOf(found, number, draw));
  };
  again();
  const button = make("button", {type: "button", onclick: again}, "Draw again");
  panel.fill(span, make("h2", {}, span.textContent), make("p", {class: "name"}, make("code", {}, name)),
    factsOf(name, number, data), result, ...(number.sample === undefined ? [] : [button]));
}

function factsOf(name, number, data) {
  const list = make("dl"), add = (term, ...content) => list.append(make("dt", {}, term), make("dd", {}, ...content));
  add("value", typeof number.value === "number" ? String(Number(number.value.toPrecision(7))).replace("-", "−") : String(number.value));
  if (number.low !== null && number.low !== undefined) add("95 % interval", `${shown(number.low, 4)} to ${shown(number.high, 4)}`);
  if (number.sd !== null && number.sd !== undefined) add("sd over seeds", shown(number.sd, 4));
  if (number.n) add("images", String(number.n));
  if (number.seeds) add("seeds", String(number.seeds));
  const notebook = name.split(".")[0], made = data.notebooks[notebook];
  if (notebook === "study") add("from", "what the study printed");
  if (made) add("made by", make("a", {href: `${notebook}.html#${made.cell}`}, `notebook ${notebook}`));
  if (made?.commit) add("commit", make("code", {}, made.commit.slice(0, 10)));
  return list;
}

function verdictOf(found, number, draw) {
  const parts = [make("p", {class: `state ${found.state}`}, found.why)];
  if (!found.again) return parts;
  const {mean, low, high, means} = found.again;
  parts.push(make("p", {}, `Draw ${draw}, ${means.length.toLocaleString("en")} resamples: ${shown(mean, 4)} (${shown(low, 4)} to ${shown(high, 4)}).`));
  parts.push(strip(found.floats, number, found.again));
  return parts;
}

// One dot an error, and below them the interval of the mean.
function strip(floats, number, {mean, low, high}) {
  const values = Array.from(floats).filter(value => !Number.isNaN(value));
  const least = Math.min(...values, low), most = Math.max(...values, high), width = 300;
  const place = value => 8 + (width - 16) * (most > least ? (value - least) / (most - least) : 0.5);
  const dots = values.map((value, at) => drawn("circle", {cx: place(value), cy: 8 + 5 * (at % 5), r: 2.2, class: "dot"}));
  const words = `${values.length} errors from ${shown(least)} to ${shown(most)}, their mean ${shown(mean)}`;
  return drawn("svg", {viewBox: `0 0 ${width} 58`, role: "img", "aria-label": words, class: "strip"}, ...dots,
    drawn("line", {x1: place(low), x2: place(high), y1: 38, y2: 38, class: "interval"}),
    drawn("circle", {cx: place(mean), cy: 38, r: 4, class: "mean"}),
    drawn("text", {x: 8, y: 55}, shown(least)), drawn("text", {x: width - 8, y: 55, "text-anchor": "end"}, shown(most)));
}
