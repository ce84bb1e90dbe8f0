// The number beside a slider follows it; without this script it is the submitted one.
document.addEventListener("input", (event) => {
  const lever = event.target;
  const shown = lever.parentElement?.querySelector("output");
  if (lever.type !== "range" || !shown) return;
  const percent = (lever.value * 100).toFixed(1).replace(/\.0$/, "") + "\u202f%";
  shown.textContent = "share" in lever.dataset ? percent : lever.value;
});
