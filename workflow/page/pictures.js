// Two pictures of a figure over each other, and a marker along the steps of a chart.

function startPictures(data) {
  for (const [name, found] of Object.entries(data.figures)) {
    const figure = document.getElementById(name), image = figure?.querySelector("img");
    if (!image) continue;
    const start = found.pictures ? () => [zoomed(image, found.pictures), comparison(image, found.pictures)] : () => scrubber(image, found.charts, found.frames);
    const caption = figure.querySelector("figcaption");
    if (found.pictures) {
      const opened = make("details", {class: "compare"}, make("summary", {}, "Enlarge its pictures together, or lay one over another"));
      opened.addEventListener("toggle", () => { if (opened.open && opened.children.length === 1) opened.append(...start()); });
      caption.before(opened);
    } else caption.before(start());
  }
}

// How an image lies in a frame that shows one box of it.
function placed([left, top, width, height]) {
  return `width:${100 / width}%;left:${-100 * left / width}%;top:${-100 * top / height}%`;
}

// The part of a figure's image that lies in a box, as wide as what it stands in.
function part(image, box, words) {
  const copy = make("img", {src: image.src, alt: words}), [, , width, height] = box;
  copy.style.cssText = placed(box);
  const frame = make("div", {class: "part"}, copy);
  frame.style.aspectRatio = `${width * image.naturalWidth} / ${height * image.naturalHeight}`;
  return frame;
}

function comparison(image, pictures) {
  const chosen = [0, pictures.length > 3 ? 3 : pictures.length - 1], stage = make("div", {class: "stage"});
  const range = make("input", {type: "range", min: 0, max: 100, value: 50, "aria-label": "How much of the left picture is seen", oninput: () => cut()});
  const line = make("div", {class: "edge"});
  let front;
  const cut = () => {
    front.style.clipPath = `inset(0 ${100 - range.value}% 0 0)`;
    line.style.left = `${range.value}%`;
    range.setAttribute("aria-valuetext", `${range.value} % ${pictures[chosen[0]].name}`);
  };
  const show = () => {
    const [left, right] = chosen.map(number => part(image, pictures[number].box, pictures[number].name));
    front = left;
    front.classList.add("front");
    stage.replaceChildren(right, front, line);
    cut();
  };
  const follow = event => {
    const {left, width} = stage.getBoundingClientRect();
    range.value = 100 * (event.clientX - left) / width;
    cut();
  };
  stage.addEventListener("pointerdown", event => { stage.setPointerCapture(event.pointerId); follow(event); });
  stage.addEventListener("pointermove", event => { if (stage.hasPointerCapture(event.pointerId)) follow(event); });
  const options = pictures.map((picture, number) => [String(number), picture.name]);
  const pick = (side, at) => choice(side, options, String(chosen[at]), value => { chosen[at] = Number(value); show(); });
  show();
  const [, , width, height] = pictures[0].box, aspect = width * image.naturalWidth / (height * image.naturalHeight);
  const style = `max-width:min(32rem, ${Math.round(70 * aspect)}vh)`;
  return make("div", {class: "comparison", style}, make("div", {class: "controls"}, pick("left", 0), pick("right", 1)), stage, range);
}

// Where a value lies between an axis' limits, as a share.
function shareOf(value, [first, last], scale) {
  const on = scale === "log" ? Math.log : number => number;
  return (on(value) - on(first)) / (on(last) - on(first));
}

// frames: what the trainings of the lines made of some pictures at their tests, or nothing.
function scrubber(image, charts, frames) {
  const steps = [...new Set(charts.flatMap(chart => chart.lines.flatMap(line => line.x)))].sort((a, b) => a - b);
  const stage = make("div", {class: "stage"}), output = make("div", {class: "readings", "aria-live": "polite"});
  const film = frames && filmOf(frames);
  image.replaceWith(stage);
  stage.append(image);
  const move = () => {
    const step = steps[range.value];
    range.setAttribute("aria-valuetext", `step ${step}`);
    for (const old of stage.querySelectorAll(".marker")) old.remove();
    for (const chart of charts) mark(stage, chart, step);
    output.replaceChildren(readings(charts, step));
    film?.show(step);
  };
  const range = make("input", {type: "range", min: 0, max: steps.length - 1, value: steps.length - 1, "aria-label": "Step of the optimiser", oninput: move});
  move();
  return make("div", {class: "scrubber"}, range, output, ...(film ? [film.place] : []));
}

function mark(stage, {box: [left, top, width, height], limits, scales, lines}, step) {
  const x = 100 * (left + width * shareOf(step, limits[0], scales[0]));
  stage.append(make("div", {class: "marker rule", style: `left:${x}%;top:${100 * top}%;height:${100 * height}%`}));
  for (const line of lines) {
    const value = line.y[line.x.indexOf(step)];
    if (value === undefined || value === null) continue;
    const y = 100 * (top + height * (1 - shareOf(value, limits[1], scales[1])));
    stage.append(make("div", {class: "marker point", style: `left:${x}%;top:${y}%;border-color:${line.colour}`}));
  }
}

// Step, then each line's value there in each chart; a dash where a line has no point.
function readings(charts, step) {
  const names = [...new Set(charts.flatMap(chart => chart.lines.map(line => line.label)))];
  const value = (chart, name) => {
    const line = chart.lines.find(one => one.label === name), found = line?.y[line.x.indexOf(step)];
    return found === undefined || found === null ? "–" : shown(found);
  };
  const head = make("tr", {}, make("th", {scope: "col"}, `step ${step.toLocaleString("en")}`), ...charts.map(chart => make("th", {scope: "col"}, chart.title || chart.labels[1])));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...names.map(name =>
    make("tr", {}, make("th", {scope: "row"}, name), ...charts.map(chart => make("td", {}, value(chart, name)))))));
}
