// The market table. Every value goes in as text, never as markup: it comes from other people's systems.
"use strict";

const byId = (id) => document.getElementById(id);

function cell(row, text, kind) {
  const element = row.insertCell();
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

const dollars = new Intl.NumberFormat("en", { style: "currency", currency: "USD", maximumFractionDigits: 4 });

function draw(answer) {
  const rows = document.createDocumentFragment();
  for (const offer of answer.offers) {
    const row = document.createElement("tr");
    cell(row, offer.gpu_model);
    cell(row, offer.provider + (offer.stale ? " (stale)" : ""), offer.stale ? "warn" : "");
    cell(row, offer.native_region || offer.region || "not said");
    cell(row, offer.gpu_count, "number");
    cell(row, offer.vram_gb_per_gpu ? `${offer.vram_gb_per_gpu} GB` : "not said", "number");
    cell(row, offer.spot ? "spot" : "on demand");
    cell(row, dollars.format(offer.price_per_gpu_hour), "number");
    const link = document.createElement("a");
    link.href = `/api/v2/providers/${encodeURIComponent(offer.offer_id)}`;
    link.textContent = "details";
    link.setAttribute("aria-label", `details of ${offer.gpu_model} at ${offer.provider}`);
    cell(row, "").append(link);
    rows.append(row);
  }
  byId("offers").replaceChildren(rows);
}

function ask(event) {
  event?.preventDefault();
  const query = new URLSearchParams({ sort: "price", per_page: "10" });
  for (const [name, value] of new FormData(byId("filters"))) if (value.trim()) query.set(name, value.trim());
  byId("told").textContent = "Asking the market…";
  fetch(`/api/v2/providers?${query}`, { headers: { accept: "application/json" } })
    .then(async (response) => [response.ok, await response.json()])
    .then(([fine, answer]) => {
      if (!fine) {
        const fields = (answer.errors || []).map((error) => `${error.field}: ${error.message}`).join("; ");
        byId("told").textContent = fields || answer.detail || answer.title;
        return;
      }
      draw(answer);
      freshness(answer);
    })
    .catch(() => { byId("told").textContent = "The market does not answer. Try again in a moment."; });
}

byId("filters").addEventListener("submit", ask);
byId("example").textContent = byId("example").textContent.replaceAll("ORIGIN", location.origin);
