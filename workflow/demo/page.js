// What a reader sees and does; the computing is steps.js's, in a worker. A picture here is {pixels: RGBA bytes, width, height}.
"use strict";

const $ = id => document.getElementById(id);
const UNKNOWN = 128;
const STROKES = 20; // that can be undone
const canvas = $("canvas"), context = canvas.getContext("2d", {willReadFrequently: true});

let photo = null; // the picture at work, with its name
let result = null; // {alpha, colours, trimap, person} of it
let found = null; // the trimap before any stroke
let before = []; // trimaps before each stroke
let backdrop = null; // a picture for the background

// -------------------------------------------------------------------------------------------------------- the worker

const worker = new Worker(URL.createObjectURL(new Blob([$("steps").textContent], {type: "text/javascript"})));

// One question after the other: its promise of an answer.
let queue = Promise.resolve();
function ask(kind, given) {
  const asked = () => new Promise((resolve, reject) => {
    worker.onerror = event => reject(new Error(event.message));
    worker.onmessage = ({data}) => {
      if (data.progress) say(data.progress);
      else if (data.error) reject(new Error(data.error));
      else resolve(data.answer);
    };
    worker.postMessage({kind, ...given});
  });
  return queue = queue.catch(() => {}).then(asked);
}

async function open() {
  const parts = Array.from(document.querySelectorAll(".part"), ({id, textContent, dataset}) =>
    ({id, text: textContent, sha256: dataset.sha256}));
  await ask("open", {parts});
  document.querySelectorAll(".part").forEach(part => part.remove()); // 20 MB of text that nobody needs any more
}

function say(text) {
  $("status").textContent = text;
}

// Do something; while it lasts nothing else can be asked for, and an error becomes a sentence.
let busy = 0;
async function during(work) {
  const focused = document.activeElement;
  $("alert").hidden = true;
  busy++;
  update();
  try {
    return await work();
  } catch (error) {
    $("alert").textContent = error.message;
    $("alert").hidden = false;
    say("");
  } finally {
    busy--;
    update();
    if (document.activeElement === document.body) focused.focus({preventScroll: true}); // a button that was disabled lost it
  }
}

function update() {
  for (const button of document.querySelectorAll("#source :is(button, input), #snap, #tools button")) button.disabled = busy;
  const painted = before.length > 0;
  $("again").disabled = $("undo").disabled = $("reset").disabled = busy || !painted;
}

// ------------------------------------------------------------------------------------------------------- photographs

// Whatever a canvas can draw, at most so long.
function pixelsOf(drawable, width, height, longest = Infinity) {
  const scale = Math.min(1, longest / Math.max(width, height));
  const sheet = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  const drawing = sheet.getContext("2d", {willReadFrequently: true});
  drawing.imageSmoothingQuality = "high";
  drawing.drawImage(drawable, 0, 0, sheet.width, sheet.height);
  const {data} = drawing.getImageData(0, 0, sheet.width, sheet.height);
  return {pixels: data, width: sheet.width, height: sheet.height, shrunk: scale < 1 ? `${width}x${height}` : ""};
}

async function read(file) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name || "That"}: expected a picture that this browser can show, found none; save it as JPEG or PNG.`);
  });
  const picture = pixelsOf(bitmap, bitmap.width, bitmap.height, Number($("longest").value));
  return {...picture, name: (file.name || "photo").replace(/\.\w+$/, "")};
}

// Cut out the person of a picture that a function gives.
function cut(take) {
  return during(async () => {
    const next = await take(), start = performance.now();
    const answer = await ask("cut", {pixels: next.pixels, width: next.width, height: next.height});
    [photo, result, found, before] = [next, answer, answer.trimap.slice(), []];
    canvas.width = photo.width;
    canvas.height = photo.height;
    $("work").hidden = false;
    if (!result.person) choose("view", "trimap");
    show();
    const size = `${photo.width}x${photo.height} px${photo.shrunk && `, shrunk from ${photo.shrunk}`}`;
    say(result.person ? `Done: ${size}, in ${seconds(start)}.`
      : `No person was found (${size}). Paint where one is, and around it what is unknown; then compute again.`);
  });
}

function again() {
  return during(async () => {
    const start = performance.now();
    const {pixels, width, height} = photo;
    Object.assign(result, await ask("refine", {pixels, width, height, trimap: result.trimap}));
    choose("view", "cutout");
    show();
    say(`Computed again with your trimap, in ${seconds(start)}.`);
  });
}

const seconds = start => `${((performance.now() - start) / 1000).toFixed(1)} s`;
const cutFile = file => file && (busy ? say("Still at work; please hand it in again when that is done.") : cut(() => read(file)));
const person = $("person");
const cutExample = () => cut(async () => {
  await person.decode();
  return {...pixelsOf(person, person.naturalWidth, person.naturalHeight, Number($("longest").value)), name: "example"};
});

// ------------------------------------------------------------------------------------------------------------ views

const chosen = name => document.querySelector(`input[name=${name}]:checked`)?.value;
const choose = (name, value) => { document.querySelector(`input[name=${name}][value="${value}"]`).checked = true; };

// Each gives the RGBA of pixel i into `to` at 4 i.
const views = {
  photo: (to, i) => to.set(photo.pixels.subarray(4 * i, 4 * i + 4), 4 * i),
  alpha: (to, i) => grey(to, i, result.alpha[i] * 255),
  trimap(to, i) { // over the photograph: white, black and amber
    const level = result.trimap[i], tint = level === UNKNOWN ? [255, 176, 0] : [level, level, level];
    const share = level === UNKNOWN ? 0.55 : level ? 0.4 : 0.65;
    for (let c = 0; c < 3; c++) to[4 * i + c] = photo.pixels[4 * i + c] * (1 - share) + tint[c] * share;
    to[4 * i + 3] = 255;
  },
  cutout(to, i, behind) {
    const alpha = result.alpha[i];
    for (let c = 0; c < 3; c++)
      to[4 * i + c] = behind ? result.colours[3 * i + c] * alpha + behind[4 * i + c] * (1 - alpha) : result.colours[3 * i + c];
    to[4 * i + 3] = behind ? 255 : alpha * 255;
  },
  levels: (to, i) => grey(to, i, result.trimap[i]), // the trimap as a file has it
};

function grey(to, i, level) {
  to[4 * i] = to[4 * i + 1] = to[4 * i + 2] = level;
  to[4 * i + 3] = 255;
}

function drawn(view) {
  const image = new ImageData(photo.width, photo.height), behind = view === "cutout" ? background() : null;
  for (let i = 0; i < photo.width * photo.height; i++) views[view](image.data, i, behind);
  return image;
}

// RGBA of what the person stands before; null for nothing.
function background() {
  const kind = chosen("background");
  if (kind === "none" || (kind === "picture" && !backdrop)) return null;
  const {width, height} = photo, sheet = new OffscreenCanvas(width, height), drawing = sheet.getContext("2d");
  drawing.fillStyle = $("colour").value;
  drawing.fillRect(0, 0, width, height);
  if (kind === "picture") { // fills the frame, its middle kept
    const scale = Math.max(width / backdrop.width, height / backdrop.height);
    const w = backdrop.width * scale, h = backdrop.height * scale;
    drawing.drawImage(backdrop, (width - w) / 2, (height - h) / 2, w, h);
  }
  return drawing.getImageData(0, 0, width, height).data;
}

let shown = null; // what the canvas shows; brushing alters it in place
function show() {
  if (!result) return;
  const view = chosen("view"), brushing = view === "trimap";
  shown = drawn(view);
  context.putImageData(shown, 0, 0);
  $("stage").classList.toggle("brushing", brushing);
  canvas.tabIndex = brushing ? 0 : -1;
  canvas.setAttribute("role", brushing ? "application" : "img");
  canvas.setAttribute("aria-label", {
    cutout: "The person without the background", alpha: "Alpha: white is person, black is background",
    trimap: "Trimap over the photograph: arrow keys move the brush, Space paints", photo: "The photograph",
  }[view]);
  if (!brushing) $("ring").hidden = true;
}

function save(view, what) {
  const sheet = new OffscreenCanvas(photo.width, photo.height);
  sheet.getContext("2d").putImageData(drawn(view), 0, 0);
  return during(async () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await sheet.convertToBlob({type: "image/png"}));
    link.download = `${photo.name}-${what}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });
}

// ---------------------------------------------------------------------------------------------------------- brushes

let brush = {x: 0, y: 0}; // in pixels of the photograph
let painting = false;
const radius = () => Math.max(1, $("size").value / 600 * Math.max(photo.width, photo.height));

function begin() {
  before = [...before, result.trimap.slice()].slice(-STROKES);
  update();
}

// A disc at each place between the last one and this.
function stroke(to) {
  const from = brush, r = radius(), steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / (r / 2)));
  for (let step = 1; step <= steps; step++)
    dab(from.x + (to.x - from.x) * step / steps, from.y + (to.y - from.y) * step / steps, r);
  const [x, y] = [Math.min(from.x, to.x) - r, Math.min(from.y, to.y) - r].map(Math.floor);
  const [w, h] = [Math.abs(to.x - from.x), Math.abs(to.y - from.y)].map(side => Math.ceil(side + 2 * r) + 2);
  context.putImageData(shown, 0, 0, x, y, w, h);
  brush = to;
}

function dab(x, y, r) {
  const level = Number(chosen("brush")), {width, height} = photo;
  for (let row = Math.max(0, Math.ceil(y - r)); row <= Math.min(height - 1, y + r); row++) {
    const reach = Math.sqrt(Math.max(0, r * r - (row - y) ** 2));
    for (let column = Math.max(0, Math.ceil(x - reach)); column <= Math.min(width - 1, x + reach); column++) {
      result.trimap[row * width + column] = level;
      views.trimap(shown.data, row * width + column);
    }
  }
}

function ring() {
  const scale = canvas.clientWidth / photo.width, size = `${2 * radius() * scale}px`;
  Object.assign($("ring").style, {left: `${brush.x * scale}px`, top: `${brush.y * scale}px`, width: size, height: size});
  $("ring").hidden = chosen("view") !== "trimap";
}

function place(event) {
  const box = canvas.getBoundingClientRect(), scale = photo.width / box.width;
  return {x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale};
}

canvas.onpointerdown = event => {
  if (chosen("view") !== "trimap" || busy || event.button) return;
  painting = true;
  canvas.setPointerCapture(event.pointerId);
  brush = place(event);
  begin();
  stroke(brush);
  ring();
};
canvas.onpointermove = event => {
  if (chosen("view") !== "trimap") return;
  if (painting) stroke(place(event));
  else brush = place(event);
  ring();
};
canvas.onpointerup = canvas.onpointercancel = () => { painting = false; };
canvas.onpointerleave = canvas.onblur = () => { $("ring").hidden = true; };
canvas.onfocus = () => {
  if (!canvas.matches(":focus-visible")) return;
  brush = {x: photo.width / 2, y: photo.height / 2};
  ring();
};
canvas.onkeydown = event => {
  const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  if (busy || chosen("view") !== "trimap" || !(way || event.key === " ")) return;
  event.preventDefault();
  if (way) {
    const step = radius() * (event.shiftKey ? 4 : 1);
    brush = {x: Math.min(Math.max(brush.x + way[0] * step, 0), photo.width),
      y: Math.min(Math.max(brush.y + way[1] * step, 0), photo.height)};
  } else {
    begin();
    stroke(brush);
  }
  ring();
};

function takeBack(all) {
  result.trimap = all ? found.slice() : before.at(-1);
  before = all ? [] : before.slice(0, -1);
  choose("view", "trimap");
  update();
  show();
}

// ----------------------------------------------------------------------------------------------------------- webcam

async function camera() {
  if (!navigator.mediaDevices) throw new Error("Webcam: expected this browser to offer one, found none; choose a file.");
  $("video").srcObject = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 1600}}}).catch(error => {
    throw new Error(`Webcam: expected one and your leave to use it, found neither or one of them (${error.message}).`);
  });
  await $("video").play();
  $("camera").hidden = false;
  $("snap").focus();
}

function leave() {
  $("video").srcObject?.getTracks().forEach(track => track.stop());
  $("camera").hidden = true;
  $("webcam").focus();
}

// --------------------------------------------------------------------------------------------------------- controls

$("controls").onsubmit = event => event.preventDefault();
$("file").onchange = ({target}) => { cutFile(target.files[0]); target.value = ""; };
$("example").onclick = cutExample;
$("webcam").onclick = () => during(camera);
$("leave").onclick = leave;
$("snap").onclick = () => {
  const video = $("video"), taken = pixelsOf(video, video.videoWidth, video.videoHeight, Number($("longest").value));
  leave();
  cut(async () => ({...taken, name: "webcam"}));
};
$("again").onclick = again;
$("undo").onclick = () => takeBack(false);
$("reset").onclick = () => takeBack(true);
$("save-cutout").onclick = () => save("cutout", "cutout");
$("save-alpha").onclick = () => save("alpha", "alpha");
$("save-trimap").onclick = () => save("levels", "trimap");
$("colour").oninput = () => { choose("background", "colour"); choose("view", "cutout"); show(); };
$("backdrop").onchange = ({target}) => target.files[0] && during(async () => {
  backdrop = await createImageBitmap(target.files[0]).catch(() => {
    throw new Error(`${target.files[0].name}: expected a picture that this browser can show, found none.`);
  });
  choose("background", "picture");
  choose("view", "cutout");
  show();
});
for (const input of document.querySelectorAll("input[name=view]")) input.onchange = show;
for (const input of document.querySelectorAll("input[name=background]")) input.onchange = () => {
  if (input.value === "picture" && !backdrop) say("Choose the picture for the background.");
  choose("view", "cutout");
  show();
};
for (const input of document.querySelectorAll("input[name=brush]")) input.onclick = () => { choose("view", "trimap"); show(); };

document.ondragover = event => event.preventDefault();
document.ondrop = event => {
  event.preventDefault();
  cutFile(event.dataTransfer.files[0]);
};
document.onpaste = event => cutFile(event.clipboardData.files[0]);

const ready = during(open).then(() => $("alert").hidden && cutExample()); // so that there is something to see at once
