// The claims, as a reader chooses: over which pixels, by which optimiser, which seeds, at which level. workflow/page/arguments.py
// has computed the outcome of every choice.

// The variant that a reader asks for, or the one nearest to it that this run can tell; the first is the claim as written.
function variantOf(claim, region, optimiser) {
  const [written] = claim.variants;
  const wanted = {region: written.region && (region || written.region), optimiser: written.optimiser && (optimiser || written.optimiser)};
  const near = variant => (variant.region === wanted.region) + (variant.optimiser === wanted.optimiser);
  return claim.variants.reduce((best, variant) => near(variant) > near(best) ? variant : best);
}

function startClaims({arguments: data}) {
  const chosen = {region: "", optimiser: "", level: "0.95", seeds: "", scale: true}, bars = [];
  for (const [kind, id] of [["study", "tab_claims"], ["ours", "tab_ours"]]) {
    const table = document.getElementById(id), own = data.claims.filter(claim => claim.kind === kind);
    const rows = table ? [...table.querySelectorAll("tbody tr")] : [];
    if (!rows.length || rows.length !== own.length) continue;
    const written = rows.map(row => [...row.cells].map(cell => [...cell.childNodes].map(node => node.cloneNode(true))));
    const said = make("p", {class: "said", "aria-live": "polite"}), bar = make("div", {class: "controls", role: "group", "aria-label": "Argue with these claims"});
    bars.push(() => {
      bar.replaceChildren(...controlsOf(chosen, change, data));
      const changed = own.map((claim, at) => showClaim(rows[at], claim, written[at], data, chosen));
      said.textContent = summaryOf(own, chosen, changed.filter(Boolean).length);
    });
    table.before(make("div", {class: "argue"}, make("p", {}, make("strong", {}, "Argue with these claims."), " Choose, and sentences and outcomes follow."), bar, said));
  }
  const change = (what, value) => {
    chosen[what] = value;
    for (const show of bars) show();
  };
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
    ...seeds.length ? [choice("seeds", [["", "all"], ...seeds.map(words => [words, words])], chosen.seeds, value => change("seeds", value))] : [],
    make("label", {}, scale, " ask for the scale that a claim needs"),
  ];
  if (focused) setTimeout(() => [...document.querySelectorAll(".controls label")].find(one => one.textContent.startsWith(focused))?.firstElementChild.focus());
  return parts;
}

function isAsWritten(chosen) {
  return !chosen.region && !chosen.optimiser && chosen.level === "0.95" && !chosen.seeds && chosen.scale;
}

// [measured, condition, outcome] of a variant.
function rowOf(variant, {levels, seeds, outcomes}, {level, seeds: words, scale}) {
  const row = variant.rows[levels.map(String).indexOf(level) * (seeds.length + 1) + seeds.indexOf(words) + 1];
  return [row[0], row[1], outcomes[row[scale ? 2 : 3]]];
}

// Fill a row; whether its outcome is another than that of the claim as written.
function showClaim(row, claim, written, data, chosen) {
  const variant = variantOf(claim, chosen.region, chosen.optimiser), [measured, condition, outcome] = rowOf(variant, data, chosen);
  const other = outcome !== rowOf(claim.variants[0], data, {level: "0.95", seeds: "", scale: true})[2];
  row.classList.toggle("other", other);
  [...row.cells].forEach((cell, at) => cell.replaceChildren(...written[at].map(node => node.cloneNode(true))));
  if (isAsWritten(chosen)) return other;
  if (variant !== claim.variants[0]) row.cells[0].textContent = variant.claim;
  row.cells[1].textContent = measured;
  row.cells[2].textContent = condition;
  row.cells[3].replaceChildren(make("strong", {}, outcome));
  row.cells[4].textContent = "";
  return other;
}

function summaryOf(own, chosen, changed) {
  if (isAsWritten(chosen)) return "As the article states them.";
  const same = own.filter(claim => variantOf(claim, chosen.region, chosen.optimiser) === claim.variants[0]).length;
  const asked = chosen.region || chosen.optimiser;
  return `${changed} of ${own.length} outcomes differ from those as written` + (asked && same ? `; ${same} claims stay as written, since this run has no such value for them.` : ".");
}
