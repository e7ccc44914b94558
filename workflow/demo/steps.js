// The steps of lib/cutout (cutter.py, trimaps.py, upsample.py, foreground.py) and lib/tiles.py, in a worker; functions have Python's names.
// Numbers in capitals come from there when the page is built. Pictures are RGBA, a byte each; alpha is float32 in [0,1].
"use strict";

const round = x => { const low = Math.floor(x), rest = x - low; return rest > 0.5 || (rest === 0.5 && low % 2) ? low + 1 : low; };
const clip = x => Math.min(Math.max(x, 0), 1);
const defaultRadius = (height, width) => Math.max(1.5, Math.min(height, width) / 80);

// ---------------------------------------------------------------------------------------- sizes, as Pillow changes them

// Values (outer, from, inner) to (outer, to, inner): means over a box, or bilinear. Bytes are rounded, as Pillow does, with
// weights of 22 bits after the point.
function along(values, outer, from, inner, to, box) {
  if (from === to) return values;
  const bytes = values instanceof Uint8Array, result = new values.constructor(outer * to * inner);
  const scale = from / to, wide = Math.max(scale, 1), support = (box ? 0.5 : 1) * wide;
  for (let t = 0; t < to; t++) {
    const centre = (t + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5)), end = Math.min(from, Math.trunc(centre + support + 0.5));
    let weights = Array.from({length: end - start}, (_, k) => {
      const x = (k + start - centre + 0.5) / wide;
      return box ? Number(x > -0.5 && x <= 0.5) : Math.max(0, 1 - Math.abs(x));
    });
    const whole = weights.reduce((sum, weight) => sum + weight, 0);
    weights = weights.map(weight => bytes ? Math.trunc(weight / whole * 2 ** 22 + 0.5) : weight / whole);
    for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) {
      let sum = bytes ? 2 ** 21 : 0;
      for (let k = 0, at = (o * from + start) * inner + i; k < weights.length; k++, at += inner) sum += weights[k] * values[at];
      result[(o * to + t) * inner + i] = bytes ? sum >> 22 : sum;
    }
  }
  return result;
}

function resized(values, channels, [height, width], [newHeight, newWidth], box) {
  const rows = along(values, height, width, channels, newWidth, box);
  return along(rows, 1, height, newWidth * channels, newHeight, box);
}

// ---------------------------------------------------------------------------------------------------------- trimaps

function fromAlpha(alpha, [height, width], size) {
  const scale = Math.min(1, SIDE / Math.max(height, width));
  const small = [height, width].map(side => Math.max(1, round(side * scale)));
  alpha = resized(alpha, 1, [height, width], small, true);
  const radius = defaultRadius(...small), low = Math.fround(LOW), high = Math.fround(HIGH);
  const doubt = Uint8Array.from(alpha, a => round(4 * a * (1 - a) * 255));
  const wide = dilate(blurred(doubt, small, radius).map(level => level / 255 > UNSURE), small, WIDER * radius);
  const notForeground = dilate(Uint8Array.from(alpha, a => a < high), small, radius);
  const notBackground = dilate(Uint8Array.from(alpha, a => a > low), small, radius);
  const foreground = notForeground.map((not, i) => not || wide[i] ? 0 : 255);
  const background = notBackground.map((not, i) => not || wide[i] ? 0 : 255);
  const trimap = new Uint8Array(size[0] * size[1]).fill(UNKNOWN);
  resized(foreground, 1, small, size, false).forEach((level, i) => { if (level > 250) trimap[i] = FOREGROUND; });
  resized(background, 1, small, size, false).forEach((level, i) => { if (level > 250) trimap[i] = BACKGROUND; });
  return trimap;
}

// A region of 0 and 1 and all within `radius` px: dilation with a disc, one row of the disc at a time.
function dilate(region, [height, width], radius) {
  const result = new Uint8Array(region.length), count = new Int32Array(width + 1);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) count[x + 1] = count[x] + region[y * width + x];
    if (!count[width]) continue;
    for (let step = -Math.trunc(radius); step <= radius; step++) {
      if (y + step < 0 || y + step >= height) continue;
      const reach = Math.trunc(Math.sqrt(radius * radius - step * step)), row = (y + step) * width;
      for (let x = 0; x < width; x++)
        if (count[Math.min(width, x + reach + 1)] > count[Math.max(0, x - reach)]) result[row + x] = 1;
    }
  }
  return result;
}

// Means of bytes over a box of `radius` px to each side: Pillow's BoxBlur, rounded after each direction.
function blurred(levels, [height, width], radius) {
  const reach = Math.trunc(radius), weight = Math.trunc(Math.fround(2 ** 24 / Math.fround(radius * 2 + 1)));
  const edge = Math.trunc((2 ** 24 - (reach * 2 + 1) * weight) / 2);
  const lines = (from, count, length, step, stride) => {
    const to = new Uint8Array(from.length);
    for (let line = 0; line < count; line++) for (let x = 0; x < length; x++) {
      const at = place => from[line * stride + Math.min(Math.max(place, 0), length - 1) * step];
      let sum = 0;
      for (let near = x - reach; near <= x + reach; near++) sum += at(near);
      to[line * stride + x * step] = (sum * weight + (at(x - reach - 1) + at(x + reach + 1)) * edge + 2 ** 23) / 2 ** 24;
    }
    return to;
  };
  return lines(lines(levels, height, width, 1, width), width, height, width, 1);
}

// -------------------------------------------------------------------------------------------------------- the networks

const sessions = {};

// Alpha of a part of a picture; `trimap` is null for the network that finds a person. Sides are padded by reflection.
async function alphaOf(session, pixels, trimap, width, {top, left, h, w}) {
  const reflected = (i, n) => h === 1 || w === 1 ? Math.min(i, n - 1) : (i %= 2 * (n - 1), i < n ? i : 2 * (n - 1) - i);
  const [H, W] = [h, w].map(side => Math.ceil(side / MULTIPLE) * MULTIPLE), plane = H * W;
  const image = new Float32Array(3 * plane), known = trimap && new Float32Array(plane);
  for (let y = 0, to = 0; y < H; y++) for (let x = 0; x < W; x++, to++) {
    const from = (top + reflected(y, h)) * width + left + reflected(x, w);
    for (let c = 0; c < 3; c++) image[c * plane + to] = pixels[4 * from + c] / 255;
    if (trimap) known[to] = trimap[from] === FOREGROUND ? 1 : trimap[from] === UNKNOWN ? 0.5 : 0;
  }
  const given = {image: new ort.Tensor("float32", image, [1, 3, H, W])};
  if (trimap) given.trimap = new ort.Tensor("float32", known, [1, 1, H, W]);
  const alpha = (await session.run(given)).alpha.data, part = new Float32Array(h * w);
  for (let y = 0; y < h; y++) part.set(alpha.subarray(y * W, y * W + w), y * w);
  return part;
}

// Guessed alpha at about the size that the network knows, the mean with the mirror image's, and that size.
async function guessAlpha(pixels, height, width) {
  const scale = Math.sqrt(PORTRAIT_HEIGHT * PORTRAIT_HEIGHT * 0.75 / (height * width));
  const size = [height, width].map(side => Math.min(LONGEST, Math.max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE)));
  const small = resized(new Uint8Array(pixels.buffer), 4, [height, width], size, scale < 1), [h, w] = size;
  const mirror = (values, channels) => values.map((_, i) => {
    const c = i % channels, at = (i - c) / channels, x = at % w;
    return values[(at - x + w - 1 - x) * channels + c];
  });
  const alphas = [];
  for (const picture of [small, mirror(small, 4)])
    alphas.push(await alphaOf(sessions.portrait, picture, null, w, {top: 0, left: 0, h, w}));
  const other = mirror(alphas[1], 1);
  return [alphas[0].map((alpha, i) => clip((alpha + other[i]) / 2)), size];
}

// Alpha of the whole picture, at a size that the network knows.
async function matte(pixels, trimap, height, width, progress) {
  const size = workingSize(trimap, height, width);
  if (size[0] === height && size[1] === width) return tiled(pixels, trimap, height, width, progress);
  const [small, known] = shrinkBoth(pixels, trimap, [height, width], size);
  const alpha = await tiled(small, known, ...size, progress);
  progress("Bringing alpha to the photograph's edges.");
  return guidedUpsample(alpha, small, size, pixels, trimap, [height, width]);
}

// The same by the network with a trimap, in tiles that overlap; known pixels are kept.
async function tiled(pixels, trimap, height, width, progress) {
  const total = new Float32Array(height * width), weight = new Float32Array(height * width), tiles = [];
  for (const [top, h] of spans(height)) for (const [left, w] of spans(width)) tiles.push({top, left, h, w});
  for (const [number, tile] of tiles.entries()) {
    if (!hasUnknown(trimap, width, tile)) continue;
    progress(`Computing alpha, tile ${number + 1} of ${tiles.length}.`);
    const part = await alphaOf(sessions.trimap, pixels, trimap, width, tile);
    const rows = ramp(tile.top, tile.h, height), columns = ramp(tile.left, tile.w, width);
    for (let y = 0; y < tile.h; y++) for (let x = 0; x < tile.w; x++) {
      const at = (tile.top + y) * width + tile.left + x, share = rows[y] * columns[x];
      total[at] += share * part[y * tile.w + x];
      weight[at] += share;
    }
  }
  return total.map((sum, i) => trimap[i] === UNKNOWN ? sum / Math.max(weight[i], 1e-6) : Number(trimap[i] === FOREGROUND));
}

function spans(length) {
  if (length <= TILE) return [[0, length]];
  const count = Math.ceil((length - OVERLAP) / (TILE - OVERLAP));
  return Array.from({length: count}, (_, i) => [round((length - TILE) * i / (count - 1)), TILE]);
}

function hasUnknown(trimap, width, {top, left, h, w}) {
  for (let y = top; y < top + h; y++) if (trimap.subarray(y * width + left, y * width + left + w).includes(UNKNOWN)) return true;
  return false;
}

// Weight of a span's pixels: rises over the overlap from a side that has a neighbour.
function ramp(start, n, length) {
  const rise = x => Math.min(1, (x + 1) / (OVERLAP + 1));
  return Float32Array.from({length: n}, (_, x) =>
    Math.min(start > 0 ? rise(x) : 1, start + n < length ? rise(n - 1 - x) : 1));
}

// ------------------------------------------------------------------------------------------------- large photographs

function workingSize(trimap, height, width) {
  const longest = Math.max(height, width), step = Math.ceil(longest / SEARCH_SIDE);
  const h = Math.ceil(height / step), w = Math.ceil(width / step), region = new Uint8Array(h * w);
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) region[y * w + x] = trimap[y * step * width + x * step] === UNKNOWN;
  const scale = Math.min(1, Math.max(BAND / Math.max(step * halfLargestSquare(region, h, w), 1), MIN_SIDE / longest));
  return [height, width].map(side => Math.max(1, round(side * scale)));
}

// Half the side of the largest square of ones in a region of 0 and 1.
function halfLargestSquare(region, height, width) {
  const count = new Int32Array((height + 1) * (width + 1)), wide = width + 1;
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++)
    count[(y + 1) * wide + x + 1] = region[y * width + x] + count[y * wide + x + 1] + count[(y + 1) * wide + x] - count[y * wide + x];
  const fit = side => {
    for (let y = side; y <= height; y++) for (let x = side; x <= width; x++)
      if (count[y * wide + x] - count[(y - side) * wide + x] - count[y * wide + x - side] + count[(y - side) * wide + x - side]
        === side * side) return true;
    return false;
  };
  let fits = 0, tooLarge = Math.min(height, width) + 1;
  while (tooLarge - fits > 1) {
    const side = (fits + tooLarge) >> 1;
    if (fit(side)) fits = side; else tooLarge = side;
  }
  return fits >> 1;
}

function shrinkBoth(pixels, trimap, size, [h, w]) {
  const [height, width] = size, small = resized(new Uint8Array(pixels.buffer), 4, size, [h, w], true);
  const known = new Uint8Array(h * w);
  for (let y = 0, to = 0; y < h; y++) for (let x = 0; x < w; x++, to++)
    known[to] = trimap[Math.floor((y + 0.5) * height / h) * width + Math.floor((x + 0.5) * width / w)];
  for (let y = 0, from = 0; y < height; y++) for (let x = 0; x < width; x++, from++)  // a mean would round single pixels away
    if (trimap[from] === UNKNOWN) known[Math.floor(y * h / height) * w + Math.floor(x * w / width)] = UNKNOWN;
  return [small, known];
}

// He, Sun and Tang 2013, "Guided image filtering", by coefficients of the small picture; known pixels are kept.
function guidedUpsample(alpha, small, [h, w], pixels, trimap, [height, width]) {
  const n = h * w, planes = [0, 1, 2].map(c => Float64Array.from({length: n}, (_, i) => Math.fround(small[4 * i + c] / 255)));
  const average = values => boxMean(values, h, w), times = (a, b) => a.map((value, i) => value * b[i]);
  const mean = planes.map(average), meanAlpha = average(Float64Array.from(alpha));
  const spread = planes.map((a, i) => planes.map((b, j) => j < i ? null : average(times(a, b))));
  const together = planes.map(a => average(times(a, alpha))), square = average(Float64Array.from(alpha, a => a * a));
  const slope = planes.map(() => new Float64Array(n)), level = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    if (square[i] - meanAlpha[i] * meanAlpha[i] > FLAT) {
      const s = (a, b) => spread[Math.min(a, b)][Math.max(a, b)][i] - mean[a][i] * mean[b][i] + (a === b ? EPSILON : 0);
      const found = solve3([0, 1, 2].map(a => [0, 1, 2].map(b => s(a, b))), together.map((t, c) => t[i] - mean[c][i] * meanAlpha[i]));
      found.forEach((value, c) => { slope[c][i] = value; });
    }
    level[i] = meanAlpha[i] - mean.reduce((sum, m, c) => sum + slope[c][i] * m[i], 0);
  }
  const fields = [...slope, level].map(average), rows = between(height, h), columns = between(width, w);
  const result = new Float32Array(height * width);
  for (let y = 0, at = 0; y < height; y++) for (let x = 0; x < width; x++, at++) {
    if (trimap[at] !== UNKNOWN) { result[at] = Number(trimap[at] === FOREGROUND); continue; }
    const [top, bottom, down] = rows[y], [left, right, across] = columns[x];
    const [a, b, c, d] = fields.map(field =>
      (field[top * w + left] * (1 - down) + field[bottom * w + left] * down) * (1 - across)
      + (field[top * w + right] * (1 - down) + field[bottom * w + right] * down) * across);
    result[at] = clip(d + (a * pixels[4 * at] + b * pixels[4 * at + 1] + c * pixels[4 * at + 2]) / 255);
  }
  return result;
}

// Mean over the square within RADIUS of each pixel; at a border the border's pixels go on.
function boxMean(values, height, width) {
  const lines = (from, count, length, step, stride) => {
    const to = new Float64Array(from.length);
    for (let line = 0; line < count; line++) for (let x = 0; x < length; x++) {
      let sum = 0;
      for (let near = x - RADIUS; near <= x + RADIUS; near++) sum += from[line * stride + Math.min(Math.max(near, 0), length - 1) * step];
      to[line * stride + x * step] = sum / (2 * RADIUS + 1);
    }
    return to;
  };
  return lines(lines(values, width, height, width, 1), height, width, 1, width);
}

// x of the symmetric 3x3 system m x = v, by cofactors.
function solve3(m, v) {
  const cofactor = (i, j) => {
    const [a, b] = [(i + 1) % 3, (i + 2) % 3], [c, d] = [(j + 1) % 3, (j + 2) % 3];
    return m[a][c] * m[b][d] - m[a][d] * m[b][c];
  };
  const rows = [0, 1, 2], determinant = rows.reduce((sum, j) => sum + m[0][j] * cofactor(0, j), 0);
  return rows.map(j => rows.reduce((sum, i) => sum + cofactor(i, j) * v[i], 0) / determinant);
}

// For each of `many` pixels of a side its two neighbours among `few`, and the second's weight; pixels are areas.
function between(many, few) {
  return Array.from({length: many}, (_, i) => {
    const place = Math.min(Math.max((i + 0.5) * (few / many) - 0.5, 0), few - 1), first = Math.floor(place);
    return [first, Math.min(first + 1, few - 1), place - first];
  });
}

// ------------------------------------------------------------------------------------------------- foreground colours

// Colours RGB of the person: the picture where alpha is 1, black where it is 0, estimated between; in tiles with a margin.
function estimate(pixels, alpha, height, width) {
  const colours = new Uint8Array(3 * height * width), soft = i => alpha[i] > 0 && alpha[i] < 1;
  for (let i = 0; i < alpha.length; i++)
    if (alpha[i] > 0) for (let c = 0; c < 3; c++) colours[3 * i + c] = pixels[4 * i + c];
  for (let top = 0; top < height; top += FOREGROUND_TILE) for (let left = 0; left < width; left += FOREGROUND_TILE) {
    const bottom = Math.min(top + FOREGROUND_TILE, height), right = Math.min(left + FOREGROUND_TILE, width), places = [];
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) if (soft(y * width + x)) places.push([y, x]);
    if (!places.length) continue;
    const y0 = Math.max(0, top - MARGIN), x0 = Math.max(0, left - MARGIN);
    const h = Math.min(height, bottom + MARGIN) - y0, w = Math.min(width, right + MARGIN) - x0;
    const image = new Float32Array(3 * h * w), a = new Float32Array(h * w);
    for (let y = 0, to = 0; y < h; y++) for (let x = 0; x < w; x++, to++) {
      const from = (y0 + y) * width + x0 + x;
      a[to] = alpha[from];
      for (let c = 0; c < 3; c++) image[3 * to + c] = pixels[4 * from + c] / 255;
    }
    const found = multilevel(image, a, h, w);
    for (const [y, x] of places) for (let c = 0; c < 3; c++)
      colours[3 * (y * width + x) + c] = round(found[3 * ((y - y0) * w + x - x0) + c] * 255);
  }
  return colours;
}

// Germer et al. 2020, "Fast multi-level foreground estimation": from one pixel up to the full size.
function multilevel(image, alpha, height, width) {
  const levels = Math.max(1, Math.ceil(Math.log2(Math.max(height, width))));
  let old = [1, 1], F = mean(image, alpha, a => a > 0.9), B = mean(image, alpha, a => a < 0.1);
  for (let level = 0; level <= levels; level++) {
    const size = [height, width].map(side => round(side ** (level / levels)));
    const steps = Math.max(...size) <= SMALL ? SMALL_STEPS : LARGE_STEPS, whole = [height, width];
    [F, B] = solve(nearest(image, 3, whole, size), nearest(alpha, 1, whole, size),
      nearest(F, 3, old, size), nearest(B, 3, old, size), size, steps);
    old = size;
  }
  return F;
}

// F and B after so many steps at one size: each pixel solved with its four neighbours held fixed (Jacobi).
function solve(image, a, F, B, [height, width], steps) {
  const n = height * width, near = new Int32Array(4 * n), weights = new Float32Array(4 * n), inverse = new Float32Array(3 * n);
  for (let y = 0, i = 0; y < height; y++) for (let x = 0; x < width; x++, i++) {
    near.set([x > 0 ? i - 1 : i, x + 1 < width ? i + 1 : i, y > 0 ? i - width : i, y + 1 < height ? i + width : i], 4 * i);
    let sum = 0;
    for (let k = 4 * i; k < 4 * i + 4; k++) sum += weights[k] = REGULARISATION + Math.abs(a[i] - a[near[k]]);
    const f = a[i] * a[i] + sum, b = (1 - a[i]) ** 2 + sum, both = a[i] * (1 - a[i]), determinant = f * b - both * both;
    inverse.set([b / determinant, both / determinant, f / determinant], 3 * i);
  }
  for (let step = 0; step < steps; step++) {
    const newF = new Float32Array(3 * n), newB = new Float32Array(3 * n);
    for (let i = 0; i < n; i++) for (let c = 0; c < 3; c++) {
      let f = a[i] * image[3 * i + c], b = (1 - a[i]) * image[3 * i + c];
      for (let k = 4 * i; k < 4 * i + 4; k++) {
        f += weights[k] * F[3 * near[k] + c];
        b += weights[k] * B[3 * near[k] + c];
      }
      newF[3 * i + c] = clip(inverse[3 * i] * f - inverse[3 * i + 1] * b);
      newB[3 * i + c] = clip(inverse[3 * i + 2] * b - inverse[3 * i + 1] * f);
    }
    [F, B] = [newF, newB];
  }
  return [F, B];
}

function nearest(values, channels, [height, width], [newHeight, newWidth]) {
  const result = new Float32Array(newHeight * newWidth * channels);
  for (let y = 0, to = 0; y < newHeight; y++) for (let x = 0; x < newWidth; x++) {
    const from = (Math.floor(y * height / newHeight) * width + Math.floor(x * width / newWidth)) * channels;
    for (let c = 0; c < channels; c++, to++) result[to] = values[from + c];
  }
  return result;
}

function mean(image, alpha, where) {
  const sum = [0, 0, 0];
  let count = 0;
  alpha.forEach((a, i) => { if (where(a)) { count++; for (let c = 0; c < 3; c++) sum[c] += image[3 * i + c]; } });
  return Float32Array.from(sum, s => s / Math.max(count, 1));
}

// ------------------------------------------------------------------------------------------------ what the page asks for

const answers = {
  // Unpack the runtime and both networks; refuse a file whose sum is not that of its manifest.
  async open({parts}) {
    const unpacked = Object.fromEntries(await Promise.all(parts.map(async part => [part.id, await unpack(part)])));
    const address = id => URL.createObjectURL(new Blob([unpacked[id]], {type: "text/javascript"}));
    importScripts(address("ort"));
    Object.assign(ort.env.wasm, {numThreads: 1, wasmBinary: unpacked.wasm.buffer, wasmPaths: {mjs: address("glue")}});
    ort.env.logLevel = "error";
    for (const name of ["portrait", "trimap"])
      sessions[name] = await ort.InferenceSession.create(unpacked[`${name}-graph`],
        {externalData: [{path: "model.safetensors", data: unpacked[`${name}-weights`]}]});
    return {};
  },

  // Everything from the pixels alone.
  async cut({pixels, height, width, progress}) {
    progress("Looking for a person.");
    const [guess, size] = await guessAlpha(pixels, height, width);
    const person = guess.filter(a => a > 0.5).length / guess.length >= PERSON_SHARE;
    const trimap = person ? fromAlpha(guess, size, [height, width]) : new Uint8Array(height * width).fill(BACKGROUND);
    return {person, trimap, ...await answers.refine({pixels, trimap, height, width, progress})};
  },

  // Alpha and colours from pixels and a trimap.
  async refine({pixels, trimap, height, width, progress}) {
    const alpha = await matte(pixels, trimap, height, width, progress);
    for (let i = 0; i < alpha.length; i++) alpha[i] *= pixels[4 * i + 3] / 255; // what was transparent stays so
    progress("Freeing the colours from the background's.");
    return {alpha, colours: estimate(pixels, alpha, height, width)};
  },
};

async function unpack({id, text, sha256}) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const found = new Uint8Array(await new Response(stream).arrayBuffer());
  const content = id.endsWith("-weights") ? joined(found) : found;
  if (sha256) {
    const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
    if (Array.from(sum, byte => byte.toString(16).padStart(2, "0")).join("") !== sha256)
      throw new Error(`${id}: its SHA-256 is not ${sha256}; this file was altered or damaged.`);
  }
  return content;
}

// Bytes at even places and those at odd ones, which lie apart in the file, together again.
function joined(apart) {
  const result = new Uint8Array(apart.length), half = Math.ceil(apart.length / 2);
  for (let i = 0; i < apart.length; i++) result[i] = apart[(i % 2 ? half : 0) + (i >> 1)];
  return result;
}

onmessage = async ({data: {kind, ...given}}) => {
  try {
    const progress = text => postMessage({progress: text});
    postMessage({answer: await answers[kind]({...given, progress})});
  } catch (error) {
    postMessage({error: error.message ?? `ONNX Runtime ended with ${error}.`});
  }
};
