// What makes the console quicker to use. Every page works without it.

const go = { pending: false, timer: 0 };
const typing = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    closeMenus();
    if (typing(event.target)) event.target.blur();
    return;
  }
  if (typing(event.target)) return;
  if (go.pending) {
    go.pending = false;
    const link = document.querySelector(`.site-nav a[data-key="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); link.click(); }
    return;
  }
  if (event.key === "g") {
    go.pending = true;
    window.clearTimeout(go.timer);
    go.timer = window.setTimeout(() => { go.pending = false; }, 1500);
  } else if (event.key === "/") {
    const box = document.querySelector("[data-search]");
    if (box) { event.preventDefault(); box.focus(); box.select(); }
  } else if (event.key === "j" || event.key === "k") {
    moveInList(event.key === "j" ? 1 : -1);
  }
});

function moveInList(step) {
  const links = [...document.querySelectorAll("[data-row-link]")];
  if (links.length === 0) return;
  const now = links.indexOf(document.activeElement);
  const next = now === -1 ? (step > 0 ? 0 : links.length - 1) : Math.min(Math.max(now + step, 0), links.length - 1);
  links[next].focus();
}

function closeMenus() {
  document.querySelectorAll("details.menu[open]").forEach((menu) => { menu.open = false; });
}
document.addEventListener("click", (event) => {
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});

// A file dropped on the marked area goes into the form's file field, and the form is sent.
document.addEventListener("dragover", (event) => {
  const area = event.target.closest?.("[data-drop]");
  if (area) { event.preventDefault(); area.classList.add("is-over"); }
});
document.addEventListener("dragleave", (event) => {
  event.target.closest?.("[data-drop]")?.classList.remove("is-over");
});
document.addEventListener("drop", (event) => {
  const area = event.target.closest?.("[data-drop]");
  if (!area) return;
  event.preventDefault();
  area.classList.remove("is-over");
  const field = area.querySelector("input[type=file]");
  field.files = event.dataTransfer.files;
  area.closest("form").requestSubmit();
});

// A form that takes long says so and is not sent twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-once]")) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  form.classList.add("is-sent");
  form.querySelector("[data-progress]")?.removeAttribute("hidden");
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-once]").forEach((form) => {
    delete form.dataset.sent;
    form.classList.remove("is-sent");
    form.querySelector("[data-progress]")?.setAttribute("hidden", "");
  });
});

// One minute before an idle session ends its person is told and can stay.
const limit = Number(document.body.dataset.idleLimitS) * 1000;
const notice = document.getElementById("idle-notice");
if (limit > 60000 && notice) {
  let timers = [];
  const start = () => {
    timers.forEach(window.clearTimeout);
    notice.hidden = true;
    timers = [
      window.setTimeout(() => { notice.hidden = false; }, limit - 60000),
      window.setTimeout(() => { window.location.reload(); }, limit + 2000),
    ];
  };
  start();
  document.getElementById("idle-stay").addEventListener("click", async () => {
    const answer = await fetch("/still-here", { credentials: "same-origin" });
    if (answer.ok) start(); else window.location.reload();
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.requestConfig?.headers?.["X-Poll"]) start();
  });
}
