// Hands the code of a sign-in to the frame that opened this window. A provider's page may have cut the connection to
// the frame. Then the code waits here for a second window, which opens with a connection.
const KEY = "vestibule-handover";
const { dataset } = document.getElementById("handover");

function take() {
  const text = localStorage.getItem(KEY);
  localStorage.removeItem(KEY);
  const { challenge, code, until } = JSON.parse(text ?? "{}");
  return challenge === dataset.challenge && Date.now() < until ? code : "";
}

const code = dataset.code || take();
if (!code) {
  location.replace(dataset.next);
} else if (window.opener) {
  // Only a page of this very site gets it.
  window.opener.postMessage({ vestibuleCode: code }, location.origin);
  window.close();
} else {
  const until = Date.now() + 100_000;
  localStorage.setItem(KEY, JSON.stringify({ challenge: dataset.challenge, code, until }));
}
