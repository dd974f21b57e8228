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
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser with a fresh profile; `close` removes it. */
export async function browse(options = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'heng-console-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.HENG_CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS,
    headless: true,
    viewport: { width: 1560, height: 900 },
    locale: 'en-US',
    colorScheme: 'dark',
    ...options,
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const complaints = watch(page);
  return {
    context,
    page,
    complaints,
    close: async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
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

// A code is good once; a second sign-in within its time waits for the next one.
let usedStep = 0;
async function freshCode(secret) {
  for (;;) {
    const step = Math.floor(Date.now() / 30_000);
    if (step > usedStep) {
      usedStep = step;
      return totp(secret);
    }
    await new Promise((resolve) => setTimeout(resolve, 30_000 - (Date.now() % 30_000) + 50));
  }
}

/** Signs in by the form, with the one-time code if it is asked for. */
export async function signIn(page, who) {
  const person = ready[who];
  await page.goto(`${base}/`);
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
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`) });
}

export async function ask(path, who = 'client') {
  const response = await fetch(`${base}${path}`, { headers: { authorization: `Bearer ${ready.token[who]}` } });
  assert.equal(response.status, 200, `${path}: ${response.status}`);
  return response.json();
}

/** A mainland instrument that trades now, with a price at which a buy rests and does not trade. */
export async function restingBuy() {
  for (let attempt = 0; attempt < 120; attempt += 1) {
    const { instruments } = await ask('/v1/instruments?limit=1000');
    const found = instruments.find(
      (i) =>
        !i.symbol.endsWith('.HK') &&
        i.limit_down &&
        i.phase === 'continuous' &&
        !i.suspended &&
        !i.halted &&
        !i.risk_warning &&
        ['sse-main', 'szse-main'].includes(i.board),
    );
    if (found) return { symbol: found.symbol, price: found.limit_down, quantity: '100' };
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  throw new Error('no instrument came into continuous trading within two minutes');
}

export function quiet(complaints) {
  assert.deepEqual([...complaints], [], 'the browser console complains');
}
