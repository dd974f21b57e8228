// Sign-on by an OpenID provider: the ways in that the server tells, and what a return from the provider says.

import { me, type SecondFactor, type SignIn } from './api';
import { obj, request, str, type Obj } from './http';
import { readChallenge } from './security';

export interface Methods {
  /** The provider's name for its button, and the address that the button opens. */
  oidc: { name: string; start: string } | undefined;
}

export async function methods(): Promise<Methods> {
  const told = obj((await request<Obj>('GET', '/v1/sign-in/methods', { quiet: true }))['oidc']);
  const [name, start] = [str(told?.['name']), str(told?.['start'])];
  return { oidc: name && start?.startsWith('/') ? { name, start } : undefined };
}

const REASONS = ['factor', 'expired', 'refused', 'unknown', 'enrol', 'away', 'busy', 'failed'];

/** What the address says of a return from the provider; words that nobody knows say nothing. */
export const begun = (): string | undefined => {
  const told = new URLSearchParams(location.search).get('sso') ?? '';
  return REASONS.includes(told) ? told : undefined;
};

/** The page that was asked for when the sign-on began; the server has checked it, and it stays on this site. */
export const pathBack = (): string => {
  const told = new URLSearchParams(location.search).get('return') ?? '/';
  return /^\/(?![/\\])[\w/.~?=&%:,-]*$/.test(told) ? told : '/';
};

export const forgetReturn = (path: string): void => history.replaceState(null, '', path);

/** Where the button leads; a page that was open before the session ended is come back to. */
export const startOf = (provider: { start: string }): string => {
  const here = begun() ? '/' : location.pathname + location.search;
  return `${provider.start}?return=${encodeURIComponent(here.slice(0, 200))}`;
};

/** A factor of Heng's own after the provider's proof; without one the answer tells what would do. */
export async function proveSignOn(factor?: SecondFactor): Promise<SignIn> {
  const answer = await request<Obj>('POST', '/v1/sign-in/oidc/factor', { body: { ...factor }, quiet: true });
  if (answer['second_factor_required'] !== true) return { state: 'in', me: await me() };
  const factors = {
    totp: answer['totp_required'] === true,
    recovery: answer['recovery_possible'] === true,
    passkey: readChallenge(answer['passkey']),
  };
  return { state: 'code', factors };
}
