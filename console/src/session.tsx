// Who is signed in, and what the whole console needs to know of the market's instruments.

import { createContext, useContext } from 'react';

import { may, type Listing, type Me } from './api';
import type { Word } from './words';

export type PageName =
  | 'dashboard'
  | 'market'
  | 'trading'
  | 'orders'
  | 'clients'
  | 'access'
  | 'audit'
  | 'evidence'
  | 'exports'
  | 'keys'
  | 'system'
  | 'security';

export interface Session {
  me: Me;
  staff: boolean;
  pages: PageName[];
  listing: Listing | undefined;
  /** Asks for the instruments again, for example after the day has changed. */
  reloadListing: () => void;
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('useSession outside of a session');
  return session;
}

const STAFF = ['trader', 'service-desk', 'risk-officer', 'operator', 'admin', 'auditor'];

export const isStaff = (me: Me): boolean => me.kind === 'staff' || may(me, ...STAFF);

/** The actions of which each page takes one, and the roles that have it where the server tells no actions. */
const NEEDS: Record<PageName, { action: string | string[]; roles: string[] }> = {
  dashboard: { action: 'system.read', roles: STAFF },
  market: { action: 'market.read', roles: ['client', 'partner', ...STAFF] },
  trading: { action: 'order.place', roles: ['client', 'trader', 'partner'] },
  orders: { action: 'order.read', roles: ['client', 'partner', ...STAFF] },
  clients: { action: 'account.read', roles: ['client', 'partner', ...STAFF] },
  access: { action: 'user.read', roles: ['service-desk', 'admin', 'auditor'] },
  audit: { action: 'audit.read', roles: ['risk-officer', 'admin', 'auditor'] },
  evidence: {
    action: ['evidence.read', 'evidence.destroy'],
    roles: ['client', 'service-desk', 'risk-officer', 'admin', 'auditor'],
  },
  exports: { action: ['export.request', 'export.decide', 'hold.write'], roles: [] },
  keys: { action: 'system.logs', roles: ['operator', 'admin', 'auditor'] },
  system: { action: 'system.read', roles: ['operator', 'admin', 'auditor', 'risk-officer'] },
  security: { action: 'session.read', roles: ['client', ...STAFF] },
};

/** What is worth showing to this person; the server decides what is permitted. */
export const pagesOf = (me: Me): PageName[] =>
  (Object.keys(NEEDS) as PageName[]).filter((page) => {
    const { action, roles } = NEEDS[page];
    return me.actions ? [action].flat().some((one) => me.actions?.includes(one)) : may(me, ...roles);
  });

/** The word for a page: clients see their own positions where staff see clients. */
export const pageWord = (page: PageName, staff: boolean): Word =>
  page === 'clients' && !staff ? 'nav.positions' : `nav.${page}`;
