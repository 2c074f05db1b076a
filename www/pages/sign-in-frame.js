// Signs in from a frame: identity providers refuse frames, so a pop-up window visits them. It hands over a code that
// only this frame can redeem.
const form = document.getElementById("handover");
let popup;
for (const link of document.querySelectorAll("a[target=_blank][rel=opener]")) {
  link.addEventListener("click", (event) => {
    popup = window.open(link.href, "_blank", "popup,width=480,height=680");
    // A browser that opens no window may still open a tab.
    if (popup) event.preventDefault();
  });
}
window.addEventListener("message", ({ origin, data }) => {
  if (origin !== location.origin || typeof data?.vestibuleCode !== "string") return;
  popup?.close();
  form.code.value = data.vestibuleCode;
  form.submit();
});
