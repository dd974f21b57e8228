// What the tests share: a real Chromium, the people of the ready file, and a watch on the browser's console.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const readyFile = process.env.HENG_READY;
if (!readyFile) throw new Error('HENG_READY must name the ready file of a running heng');
export const ready = JSON.parse(readFileSync(readyFile, 'utf8'));
export const base = (process.env.HENG_URL ?? ready.http).replace(/\/$/, '');
const shots = process.env.HENG_SHOTS;
if (shots) mkdirSync(shots, { recursive: true });

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  // Containers give little shared memory.
  '--disable-dev-shm-usage',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A page that comes from a folder has no address of its own, and could not reach this machine's. */
const FROM_FOLDER = '--disable-features=LocalNetworkAccessChecks';

/** A browser with a fresh profile, which is gone when the tests end. */
export async function browse(options = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'heng-console-'));
  // Also where a test failed and closed nothing.
  process.on('exit', () => rmSync(profile, { recursive: true, force: true }));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.HENG_CHROMIUM ?? '/usr/bin/chromium',
    args: process.env.HENG_DIST ? [...FLAGS, FROM_FOLDER] : FLAGS,
    headless: true,
    viewport: { width: 1560, height: 900 },
    locale: 'en-US',
    colorScheme: 'dark',
    ...options,
  });
  // Long patience: the machine may be building something at the same time.
  context.setDefaultTimeout(120_000);
  if (process.env.HENG_DIST) await serveFrom(context, process.env.HENG_DIST);
  const page = context.pages()[0] ?? (await context.newPage());
  const complaints = watch(page);
  return {
    context,
    page,
    complaints,
    close: () => context.close(),
  };
}

const TYPES = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };
/** Pages and files come from a folder, answers from the server: a console is tried without building the binary anew. */
async function serveFrom(context, folder) {
  const api = /^\/(v1|oauth|openapi|healthz|metrics)/;
  await context.route(
    (url) => url.protocol === 'http:' && !api.test(url.pathname),
    async (route) => {
      const path = new URL(route.request().url()).pathname;
      const file = /\.\w+$/.test(path) ? path : '/index.html';
      const contentType = `${TYPES[file.split('.').at(-1)] ?? 'application/octet-stream'}; charset=utf-8`;
      // The first page brings the server's own headers, so that its content security policy holds.
      const headers = file === '/index.html' ? (await route.fetch()).headers() : {};
      delete headers['content-length'];
      await route.fulfill({ headers: { ...headers, 'content-type': contentType }, body: readFileSync(join(folder, file)) });
    },
  );
}

/** Errors and warnings that the page tells, refused resources included. Answers that a test provokes are expected. */
function watch(page) {
  const complaints = [];
  // A one-time code that somebody has used just now is refused, and the next one is taken.
  const expected = [/status of 401 .*\/v1\/sign-in/];
  page.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type())) return;
    const text = `${message.text()} ${message.location().url ?? ''}`;
    if (!expected.some((pattern) => pattern.test(text))) complaints.push(text);
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  complaints.expect = (pattern) => expected.push(pattern);
  return complaints;
}

/** A built-in authenticator that verifies its user, and asks nobody. */
export async function authenticator(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  const set = (isUserVerified) => cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified });
  const count = async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials.length;
  return { set, count };
}

/** Every control that a screen reader comes to has a name. */
export async function named(page, what) {
  const cdp = await page.context().newCDPSession(page);
  // The session goes with the page: letting it go takes a virtual authenticator of the page with it.
  const { nodes } = await cdp.send('Accessibility.getFullAXTree');
  const controls = ['button', 'link', 'textbox', 'searchbox', 'combobox', 'checkbox', 'radio', 'spinbutton', 'table', 'dialog'];
  const nameless = nodes
    .filter((node) => !node.ignored && controls.includes(node.role?.value) && !node.name?.value?.trim())
    .map((node) => node.role.value);
  assert.deepEqual(nameless, [], `${what} has controls without a name`);
  const twice = await page.evaluate(() => {
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
    return ids.filter((id, i) => ids.indexOf(id) !== i);
  });
  assert.deepEqual(twice, [], `${what} has an id twice`);
}

/** RFC 6238 with SHA-1, six digits, thirty seconds. */
export function totp(secret, at = Date.now()) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...secret.replace(/=+$/, '').toUpperCase()]
    .map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0'))
    .join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const digest = createHmac('sha1', key).update(counter).digest();
  const offset = digest[19] & 15;
  return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

// A code is good once. The server takes those of the step before and the one after too: with `earliest` = -1, which is
// for somebody who has used none yet, three are there at once, and the fourth waits.
const usedSteps = new Map();
export async function freshCode(secret, earliest = 0) {
  for (;;) {
    const now = Math.floor(Date.now() / 30_000);
    const step = Math.max(now + earliest, (usedSteps.get(secret) ?? 0) + 1);
    if (step <= now + 1) {
      usedSteps.set(secret, step);
      return totp(secret, step * 30_000);
    }
    await new Promise((resolve) => setTimeout(resolve, 30_000 - (Date.now() % 30_000) + 50));
  }
}

/** Signs in by the form, with the one-time code if it is asked for: a person of the ready file, or another one. */
export async function signIn(page, who, at = base) {
  const person = typeof who === 'string' ? ready[who] : who;
  await page.goto(`${at}/`);
  await page.fill('input[name=user]', person.user);
  await page.fill('input[name=password]', person.password);
  await page.click('button[type=submit]');
  const nav = page.locator('.bar nav');
  const code = page.locator('input[name=totp]');
  await nav.or(code).first().waitFor();
  // A code that another test used just now is refused; the next one is good.
  for (let attempt = 0; attempt < 3 && (await code.isVisible()); attempt += 1) {
    await code.fill(await freshCode(person.totp_secret));
    await page.click('button[type=submit]');
    await nav.or(page.locator('[role=alert]')).first().waitFor();
  }
  await nav.waitFor();
}

/** Signs in and opens a page. */
export async function open(page, who, path) {
  await signIn(page, who);
  await page.goto(`${base}${path}`);
  await page.locator('.page').waitFor();
}

export async function shot(page, name) {
  if (!shots) return;
  // Charts are drawn a moment after their data has come.
  await page.waitForTimeout(400);
  await page.screenshot({ path: join(shots, `${name}.png`) });
}

/** A picture of the whole page, also of what is scrolled out of the window. */
export async function longShot(page, name) {
  if (!shots) return;
  const before = page.viewportSize();
  const height = await page.evaluate(() => {
    const main = document.getElementById('main');
    return innerHeight + main.scrollHeight - main.clientHeight;
  });
  await page.setViewportSize({ ...before, height: Math.min(height, 5_000) });
  await shot(page, name);
  await page.setViewportSize(before);
}

/** Chooses theme and language by the buttons. */
export async function dress(page, theme, language) {
  const told = () => [document.documentElement.dataset.theme, document.documentElement.lang.slice(0, 2)].join();
  const now = (await page.evaluate(told)).split(',');
  if (now[0] !== theme) await page.click('[data-act=theme]');
  if (now[1] !== language) await page.click('[data-act=language]');
  await page.waitForFunction(
    (wanted) =>
      [document.documentElement.dataset.theme, document.documentElement.lang.slice(0, 2)].join() === wanted,
    `${theme},${language}`,
  );
}

/** Nothing stands out of the window to the right, and only the page inside of the frame is scrolled down. */
export async function fits(page, what) {
  const { wide, tall } = await page.evaluate(() => {
    const [whole, main] = [document.documentElement, document.getElementById('main')];
    return {
      wide: Math.max(whole.scrollWidth - whole.clientWidth, main.scrollWidth - main.clientWidth),
      tall: whole.scrollHeight - whole.clientHeight,
    };
  });
  assert.ok(wide <= 0, `${what} is ${wide} px wider than its window`);
  assert.ok(tall <= 0, `${what} lets its window scroll by ${tall} px`);
}

/** No panel hides a part of what is in it: what does not fit is scrolled to. */
export async function whole(page, what) {
  const cut = await page
    .locator('.panel')
    .evaluateAll((panels) => panels.filter((p) => p.scrollHeight > p.clientHeight + 1).map((p) => p.className));
  assert.deepEqual(cut, [], `${what} hides a part of its panels`);
}

export async function ask(path, who = 'client') {
  return answered(await fetch(`${base}${path}`, { headers: { authorization: `Bearer ${token(who)}` } }), path);
}

/** Asks the server to do something, as another program would. */
export async function tell(path, body, who = 'client') {
  const headers = { authorization: `Bearer ${token(who)}`, 'content-type': 'application/json' };
  return answered(await fetch(`${base}${path}`, { method: 'POST', headers, body: JSON.stringify(body) }), path);
}

/** Of a person of the ready file, or of a client of the clients file. */
const token = (who) => (typeof who === 'string' ? ready.token[who] : who.token);

async function answered(response, path) {
  const text = await response.text();
  assert.ok(response.ok, `${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/** Other clients than the one who signs in. */
export const others = () =>
  JSON.parse(readFileSync(ready.clients_file, 'utf8')).filter((c) => c.account_id !== ready.client.account_id);

let keys = 0;
/** An order of 100 at a limit, as a program sends it. */
export const order = (account, symbol, side, price, quantity = '100') => ({
  account,
  client_order_id: `e2e-${process.pid}-${(keys += 1)}`,
  symbol,
  side,
  type: 'limit',
  price,
  quantity,
});

const tradesNow = (i) =>
  ['sse-main', 'szse-main'].includes(i.board) &&
  i.limit_down &&
  i.phase === 'continuous' &&
  !(i.suspended || i.halted || i.risk_warning);

/** What `choose` finds among the main-board instruments that trade continuously now, waiting for it if need be. */
export async function amongTrading(choose) {
  for (let attempt = 0; attempt < 120; attempt += 1) {
    const { instruments } = await ask('/v1/instruments?limit=1000');
    const found = await choose(instruments.filter(tradesNow));
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  throw new Error('no instrument that would do came into continuous trading within two minutes');
}

/** An instrument that trades now, with a price at which a buy rests and does not trade. */
export const restingBuy = () =>
  amongTrading(([found]) => found && { symbol: found.symbol, price: found.limit_down, quantity: '100' });

export function quiet(complaints) {
  assert.deepEqual([...complaints], [], 'the browser console complains');
}
