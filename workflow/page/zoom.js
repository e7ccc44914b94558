// All pictures of a figure, small, side by side: what one points at in one of them is enlarged in all.

const CLOSEST = 8, CLOSE = 4, STRIDE = 0.15;

// A part of a box: at (x, y), each from 0 to 1, `times` enlarged; what lies under a pointer there stays under it.
function partOfBox([left, top, width, height], {x, y, times}) {
  const spare = 1 - 1 / times;
  return [left + width * spare * x, top + height * spare * y, width / times, height / times];
}

function zoomed(image, pictures) {
  const view = {x: 0.5, y: 0.5, times: 1, held: false}, said = make("p", {class: "said", "aria-live": "polite"});
  const panels = pictures.map(({name}) => {
    const frame = part(image, pictures[0].box, "");
    return make("button", {type: "button", class: "panel", "aria-pressed": "false"}, frame, make("span", {}, name));
  });
  const show = () => {
    panels.forEach((panel, at) => {
      panel.querySelector("img").style.cssText = placed(partOfBox(pictures[at].box, view));
      panel.setAttribute("aria-pressed", String(view.held));
    });
    range.value = view.times;
    const where = `${Math.round(100 * view.x)} % from the left, ${Math.round(100 * view.y)} % from the top`;
    said.textContent = view.times > 1 ? `All enlarged ${Number(view.times).toFixed(1)} times, ${where}.` : "Whole pictures.";
  };
  const change = values => { Object.assign(view, values); show(); };
  const within = number => Math.min(1, Math.max(0, number));
  const range = make("input", {type: "range", min: 1, max: CLOSEST, step: 0.5, value: 1, "aria-label": "How much all pictures are enlarged",
    oninput: () => change({times: Number(range.value), held: Number(range.value) > 1})});
  const closer = () => Math.max(view.times, CLOSE);
  const point = (panel, event) => {
    const {left, top, width, height} = panel.querySelector(".part").getBoundingClientRect();
    return {x: within((event.clientX - left) / width), y: within((event.clientY - top) / height)};
  };
  const keys = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  for (const panel of panels) {
    panel.addEventListener("pointermove", event => {
      if (event.pointerType === "mouse" || event.buttons) change({...point(panel, event), times: closer()});
    });
    panel.addEventListener("pointerleave", () => { if (!view.held) change({times: 1}); });
    panel.addEventListener("click", event => {
      const held = !view.held, place = event.detail ? point(panel, event) : {};
      change({...place, held, times: held ? closer() : 1});
    });
    panel.addEventListener("keydown", event => {
      const {key} = event;
      if (key in keys) {
        const [x, y] = keys[key];
        change({x: within(view.x + STRIDE * x), y: within(view.y + STRIDE * y), times: closer(), held: true});
      } else if (key === "+" || key === "-") change({times: Math.min(CLOSEST, Math.max(1, view.times + (key === "+" ? 1 : -1))), held: true});
      else if (key === "Escape") change({times: 1, held: false});
      else return;
      event.preventDefault();
    });
  }
  show();
  const help = "Point at one: the same place is enlarged in all. A click holds it. Keys: arrows, + and −, Escape.";
  return make("div", {class: "zoom"}, make("p", {}, help), make("div", {class: "panels", role: "group", "aria-label": "Pictures, enlarged together"}, ...panels), range, said);
}
