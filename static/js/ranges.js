// The number beside a slider follows it; without this script it is the submitted one.
document.addEventListener("input", (event) => {
  const shown = event.target.parentElement?.querySelector("output");
  if (event.target.type === "range" && shown) shown.textContent = event.target.value;
});
