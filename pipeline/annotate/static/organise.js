// The organiser's page: transcripts that are typed, and corrections that are taken.
"use strict";

const base = location.pathname.replace(/[^/]*$/, "");

async function send(path, body) {
  const status = document.getElementById("status");
  try {
    const response = await fetch(base + path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Annotate": "1" },
      body: JSON.stringify(body),
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(answer.reason || `the server answered ${response.status}`);
    status.textContent = "Saved.";
    status.classList.remove("problem");
    return true;
  } catch (error) {
    status.textContent = `Not saved: ${error.message}.`;
    status.classList.add("problem");
    return false;
  }
}

for (const button of document.querySelectorAll("button[data-text]")) {
  button.addEventListener("click", async () => {
    const body = { clip: Number(button.dataset.clip), text: button.dataset.text };
    if (await send("decide", body)) location.reload();
  });
}
for (const input of document.querySelectorAll("input[data-clip]")) {
  input.addEventListener("change", () => {
    send("transcript", { clip: Number(input.dataset.clip), text: input.value });
  });
}
for (const input of document.querySelectorAll("input.link")) {
  input.value = location.origin + new URL(input.value).pathname; // as an https proxy is called
  input.addEventListener("focus", () => input.select());
}
