// Whether this browser may have a session. The session's cookie cannot be seen from here, and asking without one is an
// error in the browser's log. So whether to ask is remembered; whoever comes by the address of a page is asked about in
// any case.

import { begun } from './signOn';

const SIGNED_IN = 'heng.signed-in';

export function maySession(): boolean {
  // Whoever comes back from the provider with a word has none yet.
  if (begun()) return false;
  try {
    return location.pathname !== '/' || localStorage.getItem(SIGNED_IN) !== null;
  } catch {
    return true;
  }
}

export function noteSession(there: boolean): void {
  try {
    if (there) localStorage.setItem(SIGNED_IN, '1');
    else localStorage.removeItem(SIGNED_IN);
  } catch {
    // Without storage it is always asked.
  }
}
