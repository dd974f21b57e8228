// The evidence log in the browser: its state, and proofs that the browser itself checks, good ones and spoilt ones.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';

import {
  ask,
  base,
  browse,
  dress,
  fits,
  longShot,
  named,
  order,
  quiet,
  ready,
  restingBuy,
  shot,
  signIn,
  tell,
  whole,
} from './browser.mjs';

const STEPS = ['form', 'note', 'signature', 'sm2', 'witnesses', 'records', 'inclusion', 'sm3', 'earlier', 'today'];
const account = ready.client.account_id;

/** Each step's mark, by its name. */
const marks = (page) =>
  page
    .locator('[data-step]')
    .evaluateAll((all) => Object.fromEntries(all.map((step) => [step.dataset.step, step.dataset.mark])));
/** Lets the page check these bytes; its verdict and the marks of the steps. */
async function check(page, bundle) {
  const text = typeof bundle === 'string' ? bundle : JSON.stringify(bundle);
  await page.evaluate(() => document.querySelector('[data-verdict]')?.removeAttribute('data-verdict'));
  const name = `bundle-${(check.count = (check.count ?? 0) + 1)}.json`;
  await page.setInputFiles('input[name=bundle]', { name, mimeType: 'application/json', buffer: Buffer.from(text) });
  await page.locator('.verdict-box', { hasText: name }).waitFor();
  return { verdict: await page.locator('.verdict-box').getAttribute('data-verdict'), ...(await marks(page)) };
}
/** Another hexadecimal text that differs in one bit. */
const bent = (hex) => (Number.parseInt(hex[0], 16) ^ 1).toString(16) + hex.slice(1);

describe('evidence as staff', () => {
  let session;
  let bundle;
  let text;
  let placed;
  before(async () => {
    const { symbol, price } = await restingBuy();
    placed = await tell('/v1/orders', order(account, symbol, 'buy', price));
    session = await browse();
    await signIn(session.page, 'staff');
  });
  after(() => session.close());

  test('the state of the log is told: size, roots, lag, witnesses, keys, retention', async () => {
    const { page, complaints } = session;
    await page.goto(`${base}/evidence`);
    await page.locator('.retention tbody tr').nth(1).waitFor();
    await page.locator('.evi-keys tbody tr').nth(1).waitFor();
    const size = () => page.locator('[data-size]').getAttribute('data-size').then(Number);
    const before = await size();
    assert.ok(before > 0);
    for (const hash of await page.locator('.evi-log .hash').allTextContents()) assert.match(hash, /^[0-9a-f]{64}$/);
    const log = await ask('/v1/evidence', 'staff');
    assert.equal(await page.locator('.witnesses tbody tr').count(), log.witnesses.length);
    assert.equal(await page.locator('.retention tbody tr').count(), log.retention.length);
    assert.match(await page.locator('.checkpoint pre').textContent(), new RegExp(`^${log.origin}\n\\d+\n`));
    for (const [theme, language] of [
      ['dark', 'en'],
      ['light', 'zh'],
    ]) {
      await dress(page, theme, language);
      await fits(page, `evidence in ${language}`);
      await whole(page, `evidence in ${language}`);
      await named(page, `evidence in ${language}`);
      await longShot(page, `evidence-${theme}-${language}`);
    }
    await dress(page, 'dark', 'en');
    await page.waitForFunction((old) => Number(document.querySelector('[data-size]').dataset.size) > old, before);
    quiet(complaints);
  });

  test('a proof is fetched and found to hold, by this browser', async () => {
    const { page, complaints } = session;
    await page.goto(`${base}/evidence/proof`);
    await page.fill('.get-proof input[name=account]', account);
    await page.click('[data-act=get-and-check]');
    await page.locator('.verdict-box').waitFor();
    const found = await marks(page);
    assert.deepEqual(Object.keys(found), STEPS);
    assert.equal(await page.locator('.verdict-box').getAttribute('data-verdict'), 'proven', JSON.stringify(found));
    for (const step of ['form', 'note', 'signature', 'records', 'inclusion', 'sm3', 'today'])
      assert.equal(found[step], 'good', step);
    // What a browser cannot do is said, not passed over.
    assert.equal(found.sm2, 'open');
    await page.locator('.proven-records tbody tr').first().waitFor();
    assert.match(
      await page.locator('.proven-records tbody tr').first().textContent(),
      new RegExp(`Account ${account}`),
    );
    for (const [width, theme, language] of [
      [1560, 'dark', 'en'],
      [1560, 'light', 'zh'],
      [390, 'light', 'zh'],
      [390, 'dark', 'en'],
    ]) {
      await page.setViewportSize({ width, height: 900 });
      await dress(page, theme, language);
      await fits(page, `proof in ${language}`);
      await whole(page, `proof in ${language}`);
      await named(page, `proof in ${language}`);
      await longShot(page, `evidence-proof-${width}-${theme}-${language}`);
    }
    await page.setViewportSize({ width: 1560, height: 900 });
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('[data-act=get-proof]')]);
    assert.equal(download.suggestedFilename(), `heng-proof-account-${account}.json`);
    text = await readFile(await download.path(), 'utf8');
    bundle = JSON.parse(text);
    assert.ok(bundle.leaves.length > 0);
    quiet(complaints);
  });

  test('an order is proven under a checkpoint that witnesses have signed', async () => {
    const { page, complaints } = session;
    await page.goto(`${base}/evidence/proof`);
    await page.fill('.get-proof input[name=account]', account);
    await page.fill('.get-proof input[name=order]', placed.order_id);
    await page.check('.get-proof input[name=witnessed]');
    // Witnesses sign a moment later than the log.
    for (let i = 0; i < 20 && (await page.locator('.proven-records tbody tr').count()) === 0; i += 1) {
      await page.click('[data-act=get-and-check]');
      await page.locator('.verdict-box').waitFor();
      if ((await page.locator('.proven-records tbody tr').count()) === 0) await page.waitForTimeout(500);
    }
    const found = await marks(page);
    assert.equal(await page.locator('.verdict-box').getAttribute('data-verdict'), 'proven', JSON.stringify(found));
    assert.equal(found.witnesses, 'good');
    assert.match(await page.locator('[data-step=witnesses] .detail').textContent(), /witness.*, .*witness/);
    quiet(complaints);
  });

  test('a tree that does not begin with the earlier one is found', async () => {
    const { page, complaints } = session;
    await page.goto(`${base}/evidence/proof`);
    const proof = (query) => ask(`/v1/evidence/proof?account=${account}&limit=1${query}`, 'staff');
    const old = await proof('');
    let later = await proof(`&since=${old.size}`);
    for (let i = 0; i < 100 && later.size === old.size; i += 1) {
      await page.waitForTimeout(100);
      later = await proof(`&since=${old.size}`);
    }
    const { consistency, ...rest } = later;
    for (const leaf of rest.leaves) delete leaf.shown;
    const earlier = { checkpoint: old.checkpoint, consistency: consistency.proof };
    const good = await check(page, { ...rest, earlier });
    assert.deepEqual([good.verdict, good.earlier], ['proven', 'good'], JSON.stringify(good));
    const [first, ...others] = consistency.proof;
    for (const wrong of [[bent(first), ...others], others, [first, ...others, first]]) {
      const bad = await check(page, { ...rest, earlier: { ...earlier, consistency: wrong } });
      assert.deepEqual([bad.verdict, bad.earlier], ['not', 'bad'], JSON.stringify(bad));
    }
    quiet(complaints);
  });

  test('a spoilt proof is refused at the right place', async () => {
    const { page, complaints } = session;
    const good = await check(page, text);
    assert.equal(good.verdict, 'proven', JSON.stringify(good));
    const spoilt = async (step, change) => {
      const copy = structuredClone(bundle);
      change(copy);
      const found = await check(page, copy);
      assert.equal(found.verdict, 'not', step);
      assert.equal(found[step], 'bad', `${step}: ${JSON.stringify(found)}`);
      assert.equal(await page.locator('.proven-records').count(), 0, 'records of a spoilt proof are shown');
    };
    const last = (b) => b.leaves.at(-1);
    await spoilt('records', (b) => (last(b).record = bent(last(b).record)));
    await spoilt('records', (b) => (last(b).salt = bent(last(b).salt)));
    await spoilt('records', (b) => (last(b).commitment = bent(last(b).commitment)));
    await spoilt('records', (b) => (last(b).shown.account = '999'));
    await spoilt('inclusion', (b) => (last(b).proof[0] = bent(last(b).proof[0])));
    await spoilt('inclusion', (b) => last(b).proof.pop());
    await spoilt('inclusion', (b) => (last(b).index += 1));
    await spoilt('sm3', (b) => (last(b).sm3_proof[0] = bent(last(b).sm3_proof[0])));
    await spoilt('note', (b) => (b.size += 1));
    await spoilt('note', (b) => (b.checkpoint = b.checkpoint.replace(`\n${b.size}\n`, `\n0${b.size}\n`)));
    // A checkpoint that tells another root, under the old signatures.
    await spoilt('signature', (b) => {
      const lines = b.checkpoint.split('\n');
      lines[2] = (lines[2][0] === 'A' ? 'B' : 'A') + lines[2].slice(1);
      b.checkpoint = lines.join('\n');
    });
    await spoilt(
      'signature',
      (b) => (b.checkpoint = b.checkpoint.replace(/\n\n[\s\S]*$/, '\n\n— other AAAAAAAAAAA=\n')),
    );
    await spoilt('form', (b) => (b.more = 1));
    await spoilt('form', (b) => (last(b).proof[0] = last(b).proof[0].toUpperCase().padEnd(66, 'A')));
    const found = await check(page, text.slice(0, -10));
    assert.equal(found.verdict, 'not');
    assert.equal(found.form, 'bad');
    await shot(page, 'evidence-spoilt');
    quiet(complaints);
  });

  test('keys from elsewhere count in the place of those of the server', async () => {
    const { page, complaints } = session;
    const { keys } = await ask('/v1/evidence/keys', 'staff');
    const key = (algorithm) => keys.find((one) => one.algorithm === algorithm).verifier;
    const trusting = async (told) => {
      await page.check('input[name=trust][value=own]');
      await page.fill('textarea[name=trusted-keys]', told);
      return check(page, text);
    };
    assert.equal((await trusting(key('ed25519'))).verdict, 'proven');
    // Only SM2: nothing is wrong, and nothing was seen to be signed.
    const sm2 = await trusting(key('sm2'));
    assert.equal(sm2.verdict, 'partly', JSON.stringify(sm2));
    assert.deepEqual([sm2.signature, sm2.sm2], ['none', 'open']);
    await shot(page, 'evidence-partly');
    // Another log's key, with an id that belongs to it, and one whose id does not.
    const other = await page.evaluate(async () => {
      const made = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
      const raw = new Uint8Array(await crypto.subtle.exportKey('raw', made.publicKey));
      const data = Uint8Array.of(1, ...raw);
      const hash = await crypto.subtle.digest(
        'SHA-256',
        Uint8Array.of(...new TextEncoder().encode('other/log\n'), ...data),
      );
      const id = [...new Uint8Array(hash).slice(0, 4)].map((b) => b.toString(16).padStart(2, '0')).join('');
      return `other/log+${id}+${btoa(String.fromCharCode(...data))}`;
    });
    assert.equal((await trusting(other)).signature, 'bad');
    assert.equal((await trusting(`${key('ed25519')}\n${other}`)).verdict, 'not', 'every key must have signed');
    assert.equal((await trusting(key('ed25519').replace(/\+[0-9a-f]{8}\+/, '+00000000+'))).verdict, 'not');
    quiet(complaints);
  });

  test('a lawful deletion takes two, and the law comes first', async () => {
    const { page, complaints } = session;
    complaints.expect(/status of 409 .*\/v1\/evidence\/destructions/);
    await page.goto(`${base}/evidence/deletion`);
    await page.fill('.deletions input[name=account]', account);
    await page.fill('.deletions input[name=year]', '2026');
    await page.click('[data-act=ask-deletion]');
    await page.locator('.deletions [role=alert]').waitFor();
    assert.match(await page.locator('.deletions [role=alert]').textContent(), /\d{4}|20/);
    for (const [theme, language] of [
      ['light', 'zh'],
      ['dark', 'en'],
    ]) {
      await dress(page, theme, language);
      await fits(page, `deletions in ${language}`);
      await named(page, `deletions in ${language}`);
      await shot(page, `evidence-deletion-${language}`);
    }
    quiet(complaints);
  });
});

test('a client proves the records of the own account, and sees no more', async () => {
  const { page, complaints, close } = await browse();
  await signIn(page, 'client');
  await page.goto(`${base}/evidence`);
  await page.locator('.get-proof').waitFor();
  assert.equal(await page.locator('.tabs a').count(), 1);
  assert.equal(await page.inputValue('.get-proof input[name=account]'), account);
  await page.click('[data-act=get-and-check]');
  await page.locator('.verdict-box').waitFor();
  const found = await marks(page);
  assert.equal(await page.locator('.verdict-box').getAttribute('data-verdict'), 'proven', JSON.stringify(found));
  assert.equal(found.today, 'good');
  complaints.expect(/status of 403 .*\/v1\/evidence\/proof/);
  const other = String(Number(account) + 1);
  await page.fill('.get-proof input[name=account]', other);
  await page.click('[data-act=get-and-check]');
  await page.locator('.check-proof [role=alert]').waitFor();
  quiet(complaints);
  await close();
});
