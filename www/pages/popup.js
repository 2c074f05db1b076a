const KEY = "vestibule-handover";
const { dataset } = document.getElementById("handover");
const { challenge } = dataset;

function take() {
  const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
  localStorage.removeItem(KEY);
  return kept.challenge === challenge && Date.now() < kept.until ? kept.code : "";
}

const code = dataset.code || take();
if (!code) {
  location.replace(dataset.next);
} else if (window.opener) {
  window.opener.postMessage({ vestibuleCode: code }, location.origin);
  window.close();
} else {
  const until = Date.now() + 100_000;
  localStorage.setItem(KEY, JSON.stringify({ challenge, code, until }));
}
