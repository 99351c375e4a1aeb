"use strict";
// Draws the charts of the page from the data beside it. Everything is here already: nothing is fetched.
(function () {
  const LOG10_OF_TWO = Math.log10(2);
  const WHOLE = 1000; // shares of bins are written in thousandths
  const DARKEST = 0.25; // the share of a bin that is drawn darkest
  const quiet = "rgba(128,128,128,0.25)";
  const config = {
    background: null,
    font: "system-ui, 'Segoe UI', 'DejaVu Sans', 'Liberation Sans', sans-serif",
    view: { stroke: quiet },
    axis: {
      labelColor: "currentColor", titleColor: "currentColor", gridColor: quiet, domainColor: "#808080",
      tickColor: "#808080", labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal", titlePadding: 8,
    },
    axisY: { titleLimit: 260 },
    legend: { labelColor: "currentColor", titleColor: "currentColor", labelFontSize: 12, titleFontSize: 12 },
    text: { color: "currentColor" },
  };
  const options = {
    mode: "vega-lite", renderer: "svg", config, tooltip: { theme: "custom" },
    actions: { export: true, source: false, compiled: false, editor: false },
  };

  /** The rows of one heatmap, from columns [step, end, exponent, shares, zeros, median]. */
  function spread(choice, floor) {
    const cells = [];
    const middles = [];
    for (const [step, end, low, shares, zero, median] of choice.columns) {
      shares.forEach((share, index) => {
        if (share) {
          const size = `2^${low + index} to 2^${low + index + 1}`;
          cells.push({ step, end, low: (low + index) * LOG10_OF_TWO, high: (low + index + 1) * LOG10_OF_TWO,
            share: share / WHOLE, strength: Math.sqrt(Math.min(share / WHOLE / DARKEST, 1)), size, zero: false });
        }
      });
      if (zero) {
        cells.push({ step, end, low: floor, high: floor + 0.8, share: zero / WHOLE,
          strength: zero / WHOLE, size: "exactly 0", zero: true });
      }
      middles.push({ step, at: median });
    }
    const [last] = choice.columns.slice(-1);
    if (last) middles.push({ step: last[1], at: last[5] });
    return { cells, middles, lines: choice.lines.map(([at, text]) => ({ at, text })) };
  }

  function floorOf(spec) {
    return spec.layer[0].encoding.y.scale.domain[0];
  }

  async function draw(chart, name) {
    const place = document.getElementById(chart.id);
    const chosen = chart.choices[name];
    const heatmap = Object.keys(chart.choices).length > 0;
    if (heatmap) {
      place.parentElement.hidden = !chosen;
      if (!chosen) return;
      chart.spec.datasets = spread(chosen, floorOf(chart.spec));
    }
    try {
      if (chart.view) chart.view.finalize();
      chart.view = (await vegaEmbed(place, chart.spec, options)).view;
    } catch (error) {
      place.textContent = `This chart could not be drawn: ${error.message}`;
      place.classList.add("message");
    }
  }

  async function drawAll() {
    const charts = JSON.parse(document.getElementById("charts").textContent);
    const chooser = document.getElementById("tensor");
    const name = chooser ? chooser.value : "";
    for (const chart of charts) await draw(chart, name);
    if (chooser) {
      chooser.addEventListener("change", () => {
        for (const chart of charts) if (Object.keys(chart.choices).length) draw(chart, chooser.value);
      });
    }
    document.body.dataset.drawn = "yes";
  }

  drawAll();
})();
