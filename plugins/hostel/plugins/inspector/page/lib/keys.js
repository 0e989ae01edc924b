// Whether keys that are a single character do something: who speaks to the browser, or hits keys by accident,
// turns them off (WCAG 2.1.4).

const KEPT = "hostel-keys";

export const hasKeys = () => localStorage.getItem(KEPT) !== "off";

export const setKeys = (on) => localStorage.setItem(KEPT, on ? "on" : "off");
