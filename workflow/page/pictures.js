// Two pictures of a figure, one over the other.

function startPictures(data) {
  for (const [name, pictures] of Object.entries(data.figures)) {
    const figure = document.getElementById(name), image = figure?.querySelector("img");
    if (!image) continue;
    const opened = make("details", {class: "compare"}, make("summary", {}, "Lay one of its pictures over another"));
    opened.addEventListener("toggle", () => { if (opened.open && opened.children.length === 1) opened.append(comparison(image, pictures)); });
    figure.querySelector("figcaption").before(opened);
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
