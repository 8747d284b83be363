// The place in the report is in the address, behind the `#`: links to it can be kept and sent, and the back button works.

/** Return what the address says, by name. */
export function place() {
  const found = {};
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) found[name] = value;
  return found;
}

/** Return the address of a place. */
export function link(names) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(names)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  }
  return `#${query}`;
}

/** Go to a place. */
export function go(names) {
  location.hash = link(names);
}

/** Note in the address how the current place is looked at; that is no step for the back button. */
export function note(names) {
  const address = link({ ...place(), ...names });
  if (address === location.hash) return;
  try {
    history.replaceState(null, "", address);
  } catch {
    // Some viewers show pages at addresses that can't be changed: then there is no link to keep.
  }
}
