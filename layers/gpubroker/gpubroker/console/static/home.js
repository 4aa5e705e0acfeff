// The market table. Every value goes in as text, never as markup: it comes from other people's systems.
"use strict";

const byId = (id) => document.getElementById(id);

function cell(row, text, kind) {
  const element = row.insertCell();
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

const dollars = new Intl.NumberFormat("en", { style: "currency", currency: "USD", minimumFractionDigits: 4 });

function draw(answer) {
  const rows = document.createDocumentFragment();
  for (const offer of answer.offers) {
    const row = document.createElement("tr");
    row.dataset.offer = offer.offer_id;
    cell(row, offer.gpu_model);
    const others = offer.other_sources.map((source) => source.provider);
    const seller = [offer.provider, ...(others.length ? [`(also ${others.join(", ")})`] : [])].join(" ");
    cell(row, seller + (offer.stale ? " (stale)" : ""), offer.stale ? "warn" : "");
    cell(row, offer.native_region || offer.region || "not said");
    cell(row, offer.gpu_count, "number");
    cell(row, offer.vram_gb_per_gpu ? `${offer.vram_gb_per_gpu} GB` : "not said", "number");
    cell(row, offer.spot ? "spot" : "on demand");
    cell(row, offer.price_per_gpu_hour === null ? "not said" : dollars.format(offer.price_per_gpu_hour), "number price");
    const action = document.createElement(offer.rentable ? "button" : "a");
    if (offer.rentable) {
      action.type = "button";
      action.textContent = "Rent";
      action.addEventListener("click", () => rent(offer));
    } else {
      action.href = `/api/v2/providers/${encodeURIComponent(offer.offer_id)}`;
      action.textContent = "Details";
    }
    action.setAttribute("aria-label", `${action.textContent}: ${offer.gpu_count} ${offer.gpu_model} at ${offer.provider}`);
    cell(row, "").append(action);
    rows.append(row);
  }
  byId("offers").replaceChildren(rows);
}

function freshness(answer) {
  const shown = answer.offers.length;
  const told = shown ? `${answer.total} offers; the ${shown === 1 ? "one" : `${shown} cheapest`} of them:` : "No offer is like that now.";
  byId("told").textContent = [told, ...answer.warnings].join(" ");
  byId("parts").replaceChildren(...answer.providers.map((part) => {
    const item = document.createElement("li");
    const age = part.missing ? "has not answered yet" : `${part.offers} offers, ${part.age_seconds} s old`;
    item.textContent = `${part.provider}: ${age}${part.stale && !part.missing ? ", stale" : ""}`;
    if (part.stale || part.missing) item.className = "warn";
    return item;
  }));
  byId("parts-title").hidden = false;
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

// Renting needs an account: whoever has none in this tab is sent to log in, and comes back to the offer.
function rent(offer) {
  if (!sessionStorage.getItem("access_token")) {
    location.assign(`/auth/login?${new URLSearchParams({ next: "/#market" })}`);
    return;
  }
  openRental(offer);
}

const member = Boolean(sessionStorage.getItem("access_token"));
for (const element of document.querySelectorAll(".guest")) element.hidden = member;
for (const element of document.querySelectorAll(".member")) element.hidden = !member;
byId("leave").addEventListener("click", async () => {
  const authorization = `Bearer ${sessionStorage.getItem("access_token")}`;
  sessionStorage.clear();
  await fetch("/api/v2/auth/logout", { method: "POST", headers: { authorization } }).catch(() => {});
  location.reload();
});

// Prices move while the page is looked at: a WebSocket tells, and says after a break what was missed.
const live = { sequence: null, wait: 1000, due: null };

function heard(message) {
  if (message.type === "batch") message.messages.forEach(heard);
  if (Number.isInteger(message.sequence)) live.sequence = Math.max(live.sequence ?? 0, message.sequence);
  if (message.type === "connection") {
    live.wait = 1000;
    byId("live").textContent = "Prices move here as they move there.";
  }
  if (message.type === "price_update") moved(message);
  if (message.type === "availability" || message.type === "gap") askSoon();
}

function moved(update) {
  const row = byId("offers").querySelector(`tr[data-offer="${CSS.escape(update.offer_id)}"]`);
  if (!row) return;
  const price = row.querySelector(".price");
  price.textContent = dollars.format(update.new_price);
  price.classList.remove("up", "down");
  price.classList.add(update.new_price > update.old_price ? "up" : "down");
}

// Offers that come and go change which are the cheapest; the list is asked again, at most every ten seconds.
function askSoon() {
  live.due ??= setTimeout(() => { live.due = null; if (!document.hidden) ask(); }, 10000);
}

function listen() {
  const query = new URLSearchParams({ channels: "price_updates,availability", batch: "true" });
  if (live.sequence !== null) query.set("last_sequence", live.sequence);
  const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws/providers/?${query}`);
  const pulse = setInterval(() => { if (socket.readyState === WebSocket.OPEN) socket.send('{"type":"ping"}'); }, 300000);
  socket.addEventListener("message", (event) => heard(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    clearInterval(pulse);
    byId("live").textContent = "";
    setTimeout(listen, live.wait * (0.5 + Math.random()));
    live.wait = Math.min(live.wait * 2, 60000);
  });
}

ask();
listen();
