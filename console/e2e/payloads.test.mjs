// Hostile text that people wrote into names and reasons is shown as text: nothing of it runs, and nothing of it becomes
// a part of the page.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { base, browse, quiet, ready } from './browser.mjs';

const corpus = JSON.parse(readFileSync(new URL('../../tests/attack/corpus.json', import.meta.url), 'utf8'));
const shown = (text) => !/[\p{Cc}\p{Cs}]/u.test(text);
const payloads = [...corpus.xss, ...corpus.template, ...corpus.prototype, ...corpus.csv, '\u202etxt.exe'].filter(shown);

async function call(token, method, path, body) {
  const response = await fetch(`${base}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: response.status, body: response.status === 204 ? null : await response.json() };
}

/** A page of this person, who came with their token: signing in is the matter of other tests. */
async function pageOf(token) {
  const browser = await browse();
  const { hostname } = new URL(base);
  await browser.context.addCookies([
    { name: 'heng_session', value: token, domain: hostname, path: '/', httpOnly: true, sameSite: 'Strict' },
  ]);
  const dialogs = [];
  browser.page.on('dialog', (dialog) => {
    dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  return { ...browser, dialogs };
}

/** Nothing ran, nothing was added, no object of the language was changed. */
async function unharmed(page, dialogs) {
  const found = await page.evaluate(() => ({
    hit: globalThis.__hit ?? null,
    polluted: {}.polluted ?? null,
    foreign: document.querySelectorAll(
      'main script, main iframe, main svg[onload], main img[onerror], main a[href^=javascript], main base, main meta, main form[action], main math, main template, main details[ontoggle]',
    ).length,
    handlers: [...document.querySelectorAll('main *')].filter((node) =>
      [...node.attributes].some((attribute) => attribute.name.startsWith('on')),
    ).length,
  }));
  assert.deepEqual({ ...found, dialogs }, { hit: null, polluted: null, foreign: 0, handlers: 0, dialogs: [] });
}

test('names of API keys and reasons of staff are shown as they were written', async () => {
  const { client, staff } = ready.token;
  const made = [];
  for (const text of payloads.filter((payload) => payload.length <= 64).slice(0, 30)) {
    const answer = await call(client, 'POST', '/v1/api-keys', { name: text, scopes: ['order.read'] });
    assert.equal(answer.status, 201, `${text}: ${JSON.stringify(answer.body)}`);
    made.push({ id: answer.body.id, text });
  }
  const reasons = payloads.slice(0, 40);
  const { users } = (await call(staff, 'GET', '/v1/users?limit=200')).body;
  const user = users.find((one) => one.name === ready.client.user);
  for (const reason of reasons) {
    const wish = { user: user.id, roles: ['client'], accounts: user.accounts, reason };
    const answer = await call(staff, 'POST', '/v1/role-changes', wish);
    assert.equal(answer.status, 201, `${reason}: ${JSON.stringify(answer.body)}`);
  }

  const own = await pageOf(client);
  await own.page.goto(`${base}/security`);
  for (const { text } of made) {
    const cell = own.page.locator('.sec-keys tbody td', { hasText: text });
    await cell.first().waitFor();
    assert.ok((await cell.allTextContents()).includes(text), text);
  }
  await unharmed(own.page, own.dialogs);
  quiet(own.complaints);
  await own.close();

  const theirs = await pageOf(staff);
  await theirs.page.goto(`${base}/access/changes`);
  const cells = theirs.page.locator('.role-changes tbody td');
  await cells.first().waitFor();
  const all = await cells.allTextContents();
  for (const reason of reasons) assert.ok(all.includes(reason), reason);
  await unharmed(theirs.page, theirs.dialogs);
  await theirs.page.locator('.bar nav a[href="/system"]').click();
  await unharmed(theirs.page, theirs.dialogs);
  await theirs.close();

  for (const { id } of made) assert.equal((await call(client, 'DELETE', `/v1/api-keys/${id}`)).status, 204);
});
