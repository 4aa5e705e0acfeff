// Log in and register through the API, as any other client would. The tokens live in this tab only (sessionStorage):
// closing it forgets them.
"use strict";

// Where to go afterwards: a path of this host and nothing else.
function destination() {
  const wanted = new URLSearchParams(location.search).get("next") || "/";
  if (!wanted.startsWith("/")) return "/";
  const url = new URL(wanted, location.origin); // "//elsewhere" and "/\\elsewhere" are other hosts, too
  return url.origin === location.origin ? url.pathname + url.search + url.hash : "/";
}

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  const answer = response.status === 204 ? {} : await response.json();
  if (response.ok) return answer;
  const fields = (answer.errors || []).map((error) => `${error.field}: ${error.message}`).join("\n");
  const later = response.headers.get("retry-after");
  throw new Error([fields || answer.detail || answer.title, later && `Try again in ${later} s.`].filter(Boolean).join(" "));
}

async function enter({ email, password }) {
  const tokens = await post("/api/v2/auth/login", { email, password });
  sessionStorage.setItem("access_token", tokens.access_token);
  sessionStorage.setItem("refresh_token", tokens.refresh_token);
  location.assign(destination());
}

const form = document.querySelector("form");
const trouble = document.getElementById("trouble");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  const entry = Object.fromEntries(new FormData(form));
  trouble.textContent = "";
  button.disabled = true;
  try {
    if (form.dataset.then === "login") await post("/api/v2/auth/register", entry);
    await enter(entry);
  } catch (error) {
    trouble.textContent = error instanceof TypeError ? "The service does not answer. Try again in a moment." : error.message;
  } finally {
    button.disabled = false;
  }
});

for (const link of document.querySelectorAll("[data-keep-next]")) {
  if (location.search) link.search = new URLSearchParams({ next: destination() }).toString();
}
