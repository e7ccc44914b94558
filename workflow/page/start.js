// Put the page's tools below its title, and wake what the article holds.

function start() {
  const data = JSON.parse(document.getElementById("run-data").textContent);
  const place = make("section", {id: "tools", "aria-label": "Interactive article"});
  const questions = document.getElementById("four-questions"); // above the contents, which are long on a phone
  document.getElementById("title-block-header").after(...(questions ? [questions] : []), place);
  place.append(...tools(data));
  startAudit(data);
  startClaims(data);
  startPictures(data);
  return data;
}

function tools(data) {
  const found = make("div", {class: "search"});
  startSearch(data, found);
  return [
    make("p", {}, make("strong", {}, "Interactive article."), " Press an underlined number to see where it comes from. Below the claims there are controls, under some figures sliders."),
    found,
    make("p", {}, "Try the networks on a picture of your own in ", make("code", {}, "build/demo.html"), ", which ", make("code", {}, "make demo"), " makes."),
  ];
}

const data = start();
