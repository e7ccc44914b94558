// The claims, judged by the rules of workflow/claims.py on what a reader chooses.

const HOLDS = "holds", REFUTED = "refuted", NOT_SHOWN = "not shown", NOT_TESTED = "not tested", NOT_AT_SCALE = "not tested at this scale";
const SLIP = {[HOLDS]: "adds up", [REFUTED]: "a slip"};

// A number of a value, with or without a spread; null for text and what could not be measured.
function numberOf(leaf) {
  if (leaf !== null && typeof leaf === "object") leaf = leaf.value;
  if (typeof leaf === "boolean") return Number(leaf);
  return typeof leaf === "number" ? leaf : null;
}

function boundOf(given, known) {
  return typeof given === "string" ? numberOf(known[given]) : given;
}

function hasOf(name, known) {
  const found = known[name.replace(/\.n$/, "")];
  if (name.endsWith(".n")) return (found !== null && typeof found === "object" ? numberOf(found.n) : null) ?? 0;
  return numberOf(found) ?? 0;
}

// What a run has too few of: [what, has, needs], ...
function shortfalls(claim, known) {
  return Object.entries(claim.scale ?? {}).map(([what, part]) => [what, hasOf(part.has, known), boundOf(part.needs, known)])
    .filter(([, has, needs]) => has < needs);
}

// A leaf with its interval at a level and its value by the chosen seeds ("": all); as it is where the page has no errors for that.
function leafAt(leaf, level, seeds) {
  if (leaf === null || typeof leaf !== "object") return leaf;
  const chosen = seeds && leaf.at?.[`${level}|${seeds}`], ends = leaf.at?.[level];
  if (chosen) return {...leaf, value: chosen[0], low: chosen[1], high: chosen[2]};
  return ends ? {...leaf, low: ends[0], high: ends[1]} : leaf;
}

// All values as a reader chose them, and as many seeds as chosen where claims ask how many a run has.
function knownAt({known, seeds: choices, counted}, level, seeds) {
  const found = Object.fromEntries(Object.entries(known).map(([name, leaf]) => [name, leafAt(leaf, level, seeds)]));
  if (seeds) for (const name of counted) if (name in found) found[name] = Math.min(numberOf(found[name]) ?? 0, choices[seeds].length);
  return found;
}

function limitsOf(rule, known) {
  if (rule.alike) {
    const margin = Math.abs(boundOf(rule.alike.margin, known));
    return [-margin, margin];
  }
  if (rule.between) return rule.between.map(limit => boundOf(limit, known));
  return [rule.above === undefined ? -Infinity : boundOf(rule.above, known), rule.below === undefined ? Infinity : boundOf(rule.below, known)];
}

// As math.isclose(a, b, rel_tol=1e-9).
function isClose(a, b) {
  return Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
}

function meets(rule, known) {
  const leaf = known[rule.value], number = numberOf(leaf), spread = leaf !== null && typeof leaf === "object";
  if (number === null) return NOT_TESTED;
  if (spread && (leaf.low === null || leaf.low === undefined)) return NOT_SHOWN;
  const [low, high] = spread ? [leaf.low, leaf.high] : [number, number];
  if (rule.equal !== undefined) return isClose(number, boundOf(rule.equal, known)) ? HOLDS : REFUTED;
  const [floor, ceiling] = limitsOf(rule, known);
  if (floor < low && high < ceiling) return HOLDS;
  return high < floor || low > ceiling ? REFUTED : NOT_SHOWN;
}

// known: of knownAt.
function judge(claim, known, atScale = true) {
  if (atScale && shortfalls(claim, known).length) return NOT_AT_SCALE;
  const outcome = meets(claim.holds_if, known);
  return claim.kind === "slip" ? SLIP[outcome] ?? outcome : outcome;
}

// The variant that a reader asks for, or the one nearest to it that this run can tell; the first is the claim as written.
function variantOf(claim, region, optimiser) {
  const [written] = claim.variants;
  const wanted = {region: written.region && (region || written.region), optimiser: written.optimiser && (optimiser || written.optimiser)};
  const near = variant => (variant.region === wanted.region) + (variant.optimiser === wanted.optimiser);
  return claim.variants.reduce((best, variant) => near(variant) > near(best) ? variant : best);
}

function startClaims(data) {
  const {claims, known: published, levels, regions, optimisers, seeds} = data.arguments;
  const chosen = {region: "", optimiser: "", level: "0.95", seeds: "", scale: true}, bars = [];
  const tables = [["study", "tab_claims"], ["ours", "tab_ours"]].map(([kind, id]) => [kind, document.getElementById(id)]).filter(([, table]) => table);
  const change = (what, value) => {
    chosen[what] = value;
    for (const show of bars) show();
  };
  for (const [kind, table] of tables) {
    const rows = [...table.querySelectorAll("tbody tr")], own = claims.filter(claim => claim.kind === kind);
    if (rows.length !== own.length) continue;
    const written = rows.map(row => [...row.cells].map(cell => [...cell.childNodes].map(node => node.cloneNode(true))));
    const said = make("p", {class: "said", "aria-live": "polite"}), bar = make("div", {class: "controls", role: "group", "aria-label": "Argue with these claims"});
    bars.push(() => {
      bar.replaceChildren(...controlsOf(chosen, change, {levels, regions, optimisers, seeds}));
      const known = knownAt(data.arguments, chosen.level, chosen.seeds);
      const changed = own.map((claim, at) => showClaim(rows[at], claim, written[at], {published, known}, chosen));
      said.textContent = summaryOf(own, chosen, changed.filter(Boolean).length);
    });
    table.before(make("div", {class: "argue"}, make("p", {}, make("strong", {}, "Argue with these claims."), " Choose, and sentences and outcomes follow."), bar, said));
  }
  for (const show of bars) show();
}

function controlsOf(chosen, change, {levels, regions, optimisers, seeds}) {
  const written = [["", "as written"]], focused = document.activeElement?.closest(".controls label")?.textContent.split(" ")[0];
  const scale = make("input", {type: "checkbox", onchange: () => change("scale", scale.checked)});
  scale.checked = chosen.scale;
  const parts = [
    choice("pixels", [...written, ...Object.entries(regions)], chosen.region, value => change("region", value)),
    choice("optimiser", [...written, ...Object.entries(optimisers)], chosen.optimiser, value => change("optimiser", value)),
    choice("interval", levels.map(level => [String(level), `${Math.round(100 * level)} %`]), chosen.level, value => change("level", value)),
    ...Object.keys(seeds).length ? [choice("seeds", [["", "all"], ...Object.keys(seeds).map(words => [words, words])], chosen.seeds, value => change("seeds", value))] : [],
    make("label", {}, scale, " ask for the scale that a claim needs"),
  ];
  if (focused) setTimeout(() => [...document.querySelectorAll(".controls label")].find(one => one.textContent.startsWith(focused))?.firstElementChild.focus());
  return parts;
}

function isAsWritten(chosen) {
  return !chosen.region && !chosen.optimiser && chosen.level === "0.95" && !chosen.seeds && chosen.scale;
}

// Fill a row; whether its outcome is another than that of the claim as written.
function showClaim(row, claim, written, {published, known}, chosen) {
  const variant = variantOf(claim, chosen.region, chosen.optimiser), outcome = judge(variant, known, chosen.scale);
  const other = outcome !== judge(claim.variants[0], published);
  row.classList.toggle("other", other);
  if (isAsWritten(chosen)) {
    [...row.cells].forEach((cell, at) => cell.replaceChildren(...written[at].map(node => node.cloneNode(true))));
    return other;
  }
  const leaf = known[variant.holds_if.value];
  if (variant !== claim.variants[0]) row.cells[0].textContent = variant.claim;
  else row.cells[0].replaceChildren(...written[0].map(node => node.cloneNode(true)));
  row.cells[1].textContent = measuredOf(leaf, chosen);
  row.cells[2].textContent = conditionOf(variant.holds_if, known);
  row.cells[3].replaceChildren(make("strong", {}, outcome));
  row.cells[4].textContent = "";
  return other;
}

function measuredOf(leaf, {level, seeds}) {
  const number = numberOf(leaf);
  if (number === null) return "";
  const text = Number.isInteger(number) && Math.abs(number) >= 1 ? number.toLocaleString("en") : shown(number);
  if (leaf === null || typeof leaf !== "object" || leaf.low === null || leaf.low === undefined) return text.replace("-", "−");
  const stays = !leaf.at && (level !== "0.95" || seeds && leaf.seeds > 1);
  return `${text} (${shown(leaf.low)} to ${shown(leaf.high)}${stays ? ", 95 %, all seeds: no errors to take another from" : ""})`;
}

function conditionOf(rule, known) {
  const text = number => (Number.isInteger(number) ? number.toLocaleString("en") : String(Number(number.toPrecision(3)))).replace("-", "−");
  if (rule.equal !== undefined) return `is ${text(boundOf(rule.equal, known))}`;
  const [floor, ceiling] = limitsOf(rule, known);
  if (floor === -Infinity) return `below ${text(ceiling)}`;
  return ceiling === Infinity ? `above ${text(floor)}` : `between ${text(floor)} and ${text(ceiling)}`;
}

function summaryOf(own, chosen, changed) {
  if (isAsWritten(chosen)) return "As the article states them.";
  const same = own.filter(claim => variantOf(claim, chosen.region, chosen.optimiser) === claim.variants[0]).length;
  const asked = chosen.region || chosen.optimiser;
  return `${changed} of ${own.length} outcomes differ from those as written` + (asked && same ? `; ${same} claims stay as written, since this run has no such value for them.` : ".");
}
