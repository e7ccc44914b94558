// What a training made of some pictures at the step that a scrubber stands at: alpha, and where it errs.

const HOT = [[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]]; // magma's quarters, as the figures' error maps

function hot(share) {
  const place = share * (HOT.length - 1), below = Math.min(Math.floor(place), HOT.length - 2);
  return HOT[below].map((value, at) => value + (place - below) * (HOT[below + 1][at] - value));
}

// The last test at or before a step; the first where there is none before.
function testAt(steps, step) {
  return Math.max(0, steps.findLastIndex(one => one <= step));
}

// Bytes -> a canvas of height x width; colour: (bytes, pixel) -> [red, green, blue].
function canvasOf([height, width], colour) {
  const canvas = make("canvas", {width, height, role: "img"}), context = canvas.getContext("2d"), pixels = context.createImageData(width, height);
  for (let at = 0; at < height * width; at++) pixels.data.set([...colour(at), 255], 4 * at);
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function grey(bytes) {
  return at => [bytes[at], bytes[at], bytes[at]];
}

// Mean absolute errors {all, unknown} of alpha bytes; unknown: where the trimap says neither.
function errorsOf(alpha, truth, trimap) {
  const sums = {all: 0, unknown: 0}, counts = {all: 0, unknown: 0};
  for (let at = 0; at < truth.length; at++) {
    const error = Math.abs(alpha[at] - truth[at]) / 255;
    for (const region of trimap[at] > 0 && trimap[at] < 255 ? ["all", "unknown"] : ["all"]) { sums[region] += error; counts[region]++; }
  }
  return {all: sums.all / counts.all, unknown: sums.unknown / counts.unknown};
}

// An element, and `show(step)`, which fills it.
function filmOf({size, images, lines}) {
  const area = size[0] * size[1], place = make("div", {class: "film", role: "group", "aria-label": "What each training had learned by this step"});
  const films = lines.map(line => ({...line, bytes: bytesOf(line.alphas)}));
  const given = images.map(one => ({picture: bytesOf(one.picture), truth: bytesOf(one.truth), trimap: bytesOf(one.trimap)}));
  const cell = (canvas, words, label) => {
    canvas.setAttribute("aria-label", label);
    return make("div", {class: "cell"}, canvas, make("span", {}, words));
  };
  const row = (one, number, step) => {
    const {picture, truth, trimap} = given[number], whose = `test image ${number + 1}`;
    const parts = [make("div", {class: "group"},
      cell(canvasOf(size, at => picture.subarray(3 * at, 3 * at + 3)), "input", `Input, ${whose}`),
      cell(canvasOf(size, grey(trimap)), "trimap", `Trimap, ${whose}`),
      cell(canvasOf(size, grey(truth)), "true alpha", `True alpha, ${whose}`),
    )];
    for (const {label, x, bytes} of films) {
      const at = testAt(x, step), alpha = bytes.subarray((at * images.length + number) * area, (at * images.length + number + 1) * area);
      const error = errorsOf(alpha, truth, trimap), words = `error ${shown(error.all)}` + (Number.isNaN(error.unknown) ? "" : `, unknown ${shown(error.unknown)}`);
      parts.push(make("div", {class: "group"}, cell(canvasOf(size, grey(alpha)), label, `Alpha by ${label} after step ${x[at]}, ${whose}`),
        cell(canvasOf(size, pixel => hot(Math.abs(alpha[pixel] - truth[pixel]) / 255)), words, `Where it errs: ${words}`)));
    }
    return make("div", {class: "row"}, ...parts);
  };
  return {place, show: step => place.replaceChildren(...images.map((one, number) => row(one, number, step)))};
}
