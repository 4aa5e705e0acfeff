// One rental in a dialog: asked for, watched until it is ready, ended. The API does everything; this only shows it.
"use strict";

const settled = new Set(["ready", "ended", "failed"]);

// New tokens for the refresh token of this tab; false when the session is over. An access token lasts 15 minutes.
async function renewed() {
  const refresh_token = sessionStorage.getItem("refresh_token");
  if (!refresh_token) return false;
  const response = await fetch("/api/v2/auth/refresh", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ refresh_token }),
  });
  if (!response.ok) return false;
  const tokens = await response.json();
  sessionStorage.setItem("access_token", tokens.access_token);
  sessionStorage.setItem("refresh_token", tokens.refresh_token);
  return true;
}

// An answer of the API, with problems as errors that people can read. 401: renew the session once, else log in again.
async function call(method, path, body, headers = {}, again = true) {
  const response = await fetch(path, {
    method,
    headers: {
      accept: "application/json",
      authorization: `Bearer ${sessionStorage.getItem("access_token")}`,
      ...(body && { "content-type": "application/json" }),
      ...headers,
    },
    body: body && JSON.stringify(body),
  });
  if (response.status === 401) {
    if (again && (await renewed())) return call(method, path, body, headers, false);
    sessionStorage.clear();
    location.assign(`/auth/login?${new URLSearchParams({ next: "/#market" })}`);
  }
  const answer = await response.json();
  if (response.ok) return answer;
  const fields = (answer.errors || []).map((error) => `${error.field}: ${error.message}`).join("; ");
  throw new Error(fields || answer.detail || answer.title);
}

function openRental(offer) {
  const find = (id) => document.getElementById(id);
  const [dialog, form, run] = [find("rental"), find("rental-form"), find("rental-run")];
  find("rental-offer").textContent =
    `${offer.gpu_count} × ${offer.gpu_model} at ${offer.provider}, $${offer.price_per_hour} an hour, by the second.`;
  form.elements.max_total_price.value = offer.price_per_hour;
  find("rental-trouble").textContent = "";
  form.hidden = false;
  run.hidden = true;
  dialog.showModal();

  function show(rental) {
    form.hidden = true;
    run.hidden = false;
    const cost = rental.final_cost ?? rental.cost;
    const why = rental.failure ? ` (${rental.failure.detail})` : "";
    find("rental-status").textContent = `${rental.rental_id} is ${rental.status}${why}; charged so far: $${cost}`;
    const ways = [rental.connection?.ssh?.command, rental.connection?.jupyter_url].filter(Boolean);
    find("rental-connection").textContent = ways.join("\n");
    find("rental-connection").parentElement.hidden = !ways.length;
    find("rental-end").hidden = rental.status !== "ready";
  }

  // Ask again until nothing moves any more, or the dialog is closed.
  async function watch(rental, until) {
    show(rental);
    while (dialog.open && !until.has(rental.status)) {
      await new Promise((resume) => setTimeout(resume, 2000));
      rental = await call("GET", `/api/v2/rentals/${rental.rental_id}`);
      show(rental);
    }
    return rental;
  }

  form.onsubmit = async (event) => {
    event.preventDefault();
    const entry = Object.fromEntries(new FormData(form));
    const wanted = {
      offer_id: offer.offer_id,
      duration_hours: Number(entry.duration_hours),
      max_total_price: Number(entry.max_total_price),
      ssh_public_key: entry.ssh_public_key.trim(),
    };
    const button = form.querySelector("button");
    button.disabled = true;
    find("rental-trouble").textContent = "";
    try {
      const once = { prefer: "wait=10", "idempotency-key": crypto.randomUUID() };
      const rental = await watch(await call("POST", "/api/v2/rentals", wanted, once), settled);
      find("rental-end").onclick = async () => {
        find("rental-end").hidden = true;
        try {
          await watch(await call("DELETE", `/api/v2/rentals/${rental.rental_id}`), new Set(["ended", "failed"]));
        } catch (error) {
          find("rental-trouble").textContent = error.message;
          find("rental-end").hidden = false;
        }
      };
    } catch (error) {
      find("rental-trouble").textContent = error instanceof TypeError ? "The service does not answer." : error.message;
      form.hidden = false;
    } finally {
      button.disabled = false;
    }
  };
}
