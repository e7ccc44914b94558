// Small helpers to make what is seen.

const SVG = "http://www.w3.org/2000/svg";

// make("p", {class: "x", onclick: f}, "text", child): an element.
function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes))
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function choice(label, options, chosen, changed) {
  const select = make("select", {onchange: () => changed(select.value)});
  for (const [value, text] of options) select.append(make("option", {value}, text));
  select.value = chosen;
  return make("label", {}, `${label} `, select);
}

// With the sign that the article sets.
function shown(value, digits = 3) {
  return value.toFixed(digits).replace("-", "−");
}
