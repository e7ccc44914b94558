// Put the page's tools below its title, and wake what the article holds.

function start() {
  const data = JSON.parse(document.getElementById("run-data").textContent);
  const place = make("section", {id: "tools", "aria-label": "This page answers back"});
  const questions = document.getElementById("four-questions"); // above the contents, which are long on a phone
  document.getElementById("title-block-header").after(...(questions ? [questions] : []), place);
  place.append(...tools(data));
  startAudit(data);
  startClaims(data);
  startPictures(data);
  return data;
}

function tools(data) {
  const said = make("p", {id: "checked", "aria-live": "polite"});
  const check = () => {
    const {right, wrong, none} = checkAll(data);
    said.className = wrong ? "wrong" : right ? "right" : "none";
    said.textContent = `${right} numbers come out again from the errors in this page; ${wrong} do not; ${none} are no means over images, or the run left no errors behind them.`;
  };
  const found = make("div", {class: "search"});
  startSearch(data, found);
  return [
    make("p", {}, make("strong", {}, "This page answers back."), " Every underlined number says where it comes from: press it. Below the claims there are controls, under figures sliders."),
    make("p", {}, make("button", {type: "button", id: "check-all", onclick: check}, "Check all numbers")),
    said, found,
    make("p", {}, "Try the networks on a picture of your own in ", make("a", {href: "../../build/demo.html"}, "build/demo.html"), ", which ", make("code", {}, "make demo"), " makes."),
  ];
}

const data = start();
