"use strict";
// Exchanges the token of the link, which works once, for a session, and leaves neither in the history.
(async () => {
  const say = (text) => (document.getElementById("said").textContent = text);
  const token = location.hash.slice(1);
  history.replaceState(null, "", "/");
  if (!token) return say("Open the link that veritensor-ray view printed. It works once.");
  try {
    const answer = await fetch("/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }) });
    const said = await answer.json();
    if (!answer.ok) return say(said.error);
    location.replace(said.page);
  } catch {
    say("The command does not answer. Start veritensor-ray view again.");
  }
})();
