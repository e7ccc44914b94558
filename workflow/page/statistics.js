// Means and bootstrap intervals, by the rule of lib/evaluation/stats.py.

const RESAMPLES = 4000, PUBLISHED_RESAMPLES = 2000, LEVEL = 0.95;
const ROUNDING = 1e-6, ROUNDING_HALF = 2e-5; // of the largest error: what float32 may lose, or a mean of many float16, with room
const SURE = 5; // standard errors of a quantile: farther away is no chance

// Text of lib/evaluation/samples.py -> Uint8Array, Float32Array: base64 of little-endian float32, or of float16 behind HALF.
const HALF = "f2:";

function bytesOf(text) {
  const raw = atob(text.startsWith(HALF) ? text.slice(HALF.length) : text), bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
  return bytes;
}

function floatsOf(bytes, half = false) {
  const view = new DataView(bytes.buffer), floats = new Float32Array(bytes.length >> (half ? 1 : 2));
  for (let at = 0; at < floats.length; at++) floats[at] = half ? fromHalf(view.getUint16(2 * at, true)) : view.getFloat32(4 * at, true);
  return floats;
}

// Sign, five bits of exponent, ten of fraction (IEEE 754).
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
}

// Numbers in [0, 1) from a seed (mulberry32): the same seed gives the same draw.
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// {seeds, images, at}: rows of errors without the images that have none by any seed.
function present(floats, seeds) {
  const count = floats.length / seeds, kept = [];
  for (let image = 0; image < count; image++)
    for (let seed = 0; seed < seeds; seed++)
      if (!Number.isNaN(floats[seed * count + image])) { kept.push(image); break; }
  const rows = Array.from({length: seeds}, (_, seed) => kept.map(image => floats[seed * count + image]));
  return {seeds, images: kept.length, rows};
}

function meanOf(floats) {
  let sum = 0, count = 0;
  for (const value of floats) if (!Number.isNaN(value)) { sum += value; count++; }
  return sum / count;
}

// Sorted means of resamples: seeds with replacement, then images with replacement, the same for all drawn seeds.
function resampledMeans(floats, seeds, seed, resamples = RESAMPLES) {
  const {images, rows} = present(floats, seeds), random = randomFrom(seed), means = new Float64Array(resamples);
  const sums = new Float64Array(images), counts = new Float64Array(images);
  for (let resample = 0; resample < resamples; resample++) {
    sums.fill(0);
    counts.fill(0);
    for (let draw = 0; draw < seeds; draw++) {
      const row = rows[Math.floor(random() * seeds)];
      for (let image = 0; image < images; image++)
        if (!Number.isNaN(row[image])) { sums[image] += row[image]; counts[image]++; }
    }
    let sum = 0, count = 0;
    for (let draw = 0; draw < images; draw++) {
      const image = Math.floor(random() * images);
      sum += sums[image];
      count += counts[image];
    }
    means[resample] = sum / count;
  }
  return means.sort();
}

// Between the two nearest, as numpy.quantile.
function quantile(sorted, share) {
  const place = Math.min(Math.max(share, 0), 1) * (sorted.length - 1), below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

function bootstrapInterval(floats, seeds, seed, level = LEVEL, resamples = RESAMPLES) {
  const means = resampledMeans(floats, seeds, seed, resamples);
  return {mean: meanOf(floats), low: quantile(means, (1 - level) / 2), high: quantile(means, (1 + level) / 2), means};
}

// Whether a published end of an interval may be this quantile of the means, for what chance does to both.
function agrees(means, share, published, slack) {
  const error = SURE * Math.sqrt(share * (1 - share) * (1 / means.length + 1 / PUBLISHED_RESAMPLES));
  return published >= quantile(means, share - error) - slack && published <= quantile(means, share + error) + slack;
}

// {state: "right" | "wrong" | "none", why, again}: a number taken again from the errors that the page carries.
function audited(number, samples, seed = 1) {
  if (number.sample === undefined) return {state: "none", why: "The page carries no errors to take it from: it is no mean over images, or the run left none."};
  const half = samples[number.sample].startsWith(HALF), floats = floatsOf(bytesOf(samples[number.sample]), half);
  const again = bootstrapInterval(floats, number.seeds, seed, LEVEL, Math.max(1000, Math.min(RESAMPLES, Math.round(1e7 / floats.length))));
  const largest = floats.reduce((most, value) => Number.isNaN(value) ? most : Math.max(most, Math.abs(value)), 0);
  const slack = (half ? ROUNDING_HALF : ROUNDING) * largest;
  if (Math.abs(again.mean - number.value) > slack) return {state: "wrong", why: "The mean of the errors is another.", floats, again};
  const ends = number.low === null || number.low === undefined
    || (agrees(again.means, (1 - LEVEL) / 2, number.low, slack) && agrees(again.means, (1 + LEVEL) / 2, number.high, slack));
  if (!ends) return {state: "wrong", why: "A fresh bootstrap gives another interval than chance allows.", floats, again};
  return {state: "right", why: "Mean and interval come out again from the errors in this page.", floats, again};
}
