// Search in the cells of all notebooks: every word must be there; cells that say it earlier and more often come first.

const MOST_FOUND = 20, AROUND = 60;

// [{notebook, cell, text, at, score}], best first.
function search(cells, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const found = [];
  for (const [notebook, cell, text] of cells) {
    const low = text.toLowerCase(), places = words.map(word => low.indexOf(word));
    if (places.some(place => place < 0)) continue;
    const often = words.reduce((sum, word) => sum + low.split(word).length - 1, 0);
    const heading = /^#+ .*/m.exec(low)?.[0] ?? "";
    const score = often / Math.sqrt(100 + low.length) + words.filter(word => heading.includes(word)).length;
    found.push({notebook, cell, text, at: Math.min(...places), score});
  }
  return found.sort((a, b) => b.score - a.score);
}

function startSearch(data, place) {
  const list = make("ol", {class: "found"}), count = make("p", {"aria-live": "polite"});
  const show = () => {
    const found = search(data.cells, field.value);
    count.textContent = field.value.trim() ? `${found.length} cell${found.length === 1 ? "" : "s"}` + (found.length > MOST_FOUND ? `, the first ${MOST_FOUND}:` : "") : "";
    list.replaceChildren(...found.slice(0, MOST_FOUND).map(result));
  };
  const field = make("input", {type: "search", oninput: show, autocomplete: "off"});
  place.append(make("label", {}, "Search all cells of the notebooks ", field), count, list);
}

function result({notebook, cell, text, at}) {
  const from = Math.max(0, at - AROUND), snippet = text.slice(from, at + 2 * AROUND).replace(/\s+/g, " ");
  return make("li", {}, make("a", {href: `${notebook}.html#${cell}`}, `${notebook}, ${cell}`), ` ${from ? "…" : ""}${snippet}…`);
}
