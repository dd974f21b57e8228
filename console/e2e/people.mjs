// Two people of the staff who look over each other, made for one run of the tests.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import { authenticator, base, browse, freshCode, ready, signIn } from './browser.mjs';

/** Browsers give passkeys to names, not to addresses. */
export const house = base.replace('127.0.0.1', 'localhost');

async function call(method, path, token, body) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(`${base}${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  return { ok: response.ok, status: response.status, text, answer: text ? JSON.parse(text) : undefined };
}
async function done(method, path, token, body) {
  const { ok, status, text, answer } = await call(method, path, token, body);
  assert.ok(ok, `${method} ${path}: ${status} ${text}`);
  return answer;
}

const password = () => `e2e-${randomBytes(12).toString('hex')}`;
/** A user who has not signed in yet. */
export async function makeUser(name, roles) {
  const given = password();
  const body = { name, kind: 'staff', roles, accounts: ['*'], password: given };
  const { id } = await done('POST', '/v1/users', ready.token.staff, body);
  return { id, user: name, password: given };
}

/** An administrator with one-time codes, as after the first day at work. */
export async function makeAdmin(name) {
  const person = await makeUser(name, ['admin']);
  const { token } = await done('POST', '/v1/sign-in', '', { user: person.user, password: person.password });
  // A password that somebody else chose may have to be changed first.
  const next = password();
  const change = { current_password: person.password, new_password: next };
  if ((await call('POST', '/v1/me/password', token, change)).ok) person.password = next;
  const { secret } = await done('POST', '/v1/me/totp', token, { password: person.password });
  await done('POST', '/v1/me/totp/confirm', token, { code: await freshCode(secret, -1) });
  return { ...person, totp_secret: secret };
}

/** Signs in by password and code, and makes a passkey, by which everything grave is confirmed from then on. */
export async function atWork(person, options) {
  const session = await browse(options);
  const { page } = session;
  await authenticator(page);
  await signIn(page, person, house);
  await page.goto(`${house}/security`);
  await page.click('[data-act=add-passkey]');
  await page.fill('input[name=passkey-name]', 'desk');
  await page.fill('input[name=passkey-password]', person.password);
  await page.click('[data-act=make-passkey]');
  await page.fill('input[name=step-up-code]', await freshCode(person.totp_secret));
  await page.click('[data-act=step-up]');
  await page.locator('.sec-passkeys tbody tr', { hasText: 'desk' }).waitFor();
  return session;
}

/** Confirms what the dialog tells; the text of it. */
export async function confirm(page) {
  const text = page.locator('[data-step-up-text]');
  await text.waitFor();
  const told = await text.textContent();
  await page.click('[data-act=step-up]');
  await text.waitFor({ state: 'detached' });
  return told;
}
