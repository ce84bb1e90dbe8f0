// Draws each <div data-figure="id"> from the JSON that json_script put beside it, in the colours of the
// stylesheet: those that data-colours names, else the series.
"use strict";
(function () {
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // light-dark() stays unresolved in a custom property, so a probe element resolves it.
  function colour(name) {
    const probe = document.createElement("span");
    probe.hidden = true;
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const resolved = getComputedStyle(probe).color;
    probe.remove();
    return resolved;
  }

  function themed(layout, colours) {
    const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line") };
    const font = { color: colour("--ink"), family: token("--sans"), size: 12 };
    return {
      ...layout,
      font,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      colorway: colours.map(colour),
      xaxis: { ...layout.xaxis, ...axis },
      yaxis: { ...layout.yaxis, ...axis, automargin: true },
      hoverlabel: { bgcolor: colour("--surface"), bordercolor: colour("--line-strong"), font },
      shapes: (layout.shapes ?? []).map((shape) => ({ ...shape, line: { color: colour("--ink-2"), width: 1, dash: "dash" } })),
      template: null,
    };
  }

  function draw() {
    for (const place of document.querySelectorAll("[data-figure]")) {
      const figure = JSON.parse(document.getElementById(place.dataset.figure).textContent);
      const colours = place.dataset.colours?.split(" ") ?? [1, 2, 3, 4, 5].map((index) => `--series-${index}`);
      place.replaceChildren();
      Plotly.newPlot(place, figure.data, themed(figure.layout, colours), { responsive: true, displayModeBar: false });
    }
  }

  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
