// Puts the sections that have changed in place as the server sends them; without it the page loads itself again.
"use strict";
(() => {
  const open = new Set();
  const put = (id, html) => {
    const section = document.getElementById(id);
    if (!section) return;
    const focused = section.contains(document.activeElement) ? document.activeElement : null;
    const within = focused && (focused.id || (focused.closest("[id]") || {}).id);
    section.querySelectorAll("details[id]").forEach((one) => (one.open ? open.add(one.id) : open.delete(one.id)));
    section.innerHTML = html;
    open.forEach((one) => {
      const details = document.getElementById(one);
      if (details) details.open = true;
    });
    if (within) {
      const again = document.getElementById(within);
      const target = again && (again.matches("details") ? again.querySelector("summary") : again);
      if (target && target.focus) target.focus({ preventScroll: true });
    }
  };
  const events = new EventSource("/events" + location.search);
  events.onmessage = (event) => {
    for (const [id, html] of Object.entries(JSON.parse(event.data))) put(id, html);
    document.documentElement.dataset.live = "yes";
  };
  events.onerror = () => (document.documentElement.dataset.live = "no");
})();
