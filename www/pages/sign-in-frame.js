const form = document.getElementById("handover");
let popup;
for (const link of document.querySelectorAll("a[target=_blank][rel=opener]")) {
  link.addEventListener("click", (event) => {
    popup = window.open(link.href, "_blank", "popup,width=480,height=680");
    if (popup) event.preventDefault();
  });
}
window.addEventListener("message", ({ origin, data }) => {
  if (origin !== location.origin || typeof data?.vestibuleCode !== "string") return;
  popup?.close();
  form.code.value = data.vestibuleCode;
  form.submit();
});
