// The pages by which some people look over others: roles by two, reviews, the audit trail, keys, exports and holds.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';

import { ask, base, browse, dress, fits, longShot, named, quiet, ready, shot, signIn, whole } from './browser.mjs';
import { atWork, confirm, house, makeAdmin, makeUser } from './people.mjs';

const LOOKS = [
  ['dark', 'en'],
  ['light', 'zh'],
];
/** In both languages and themes, at the usual width and on a phone, everything fits and has a name. */
async function looks(page, what) {
  for (const [width, height] of [
    [1560, 900],
    [1280, 720],
    [390, 844],
  ]) {
    await page.setViewportSize({ width, height });
    for (const [theme, language] of LOOKS) {
      await dress(page, theme, language);
      await fits(page, `${what} in ${language} at ${width}`);
      const { x, width: wide } = await page.locator('.bar nav [aria-current]').boundingBox();
      assert.ok(x >= 0 && x + wide <= width, `the name of ${what} is out of sight`);
      await whole(page, `${what} in ${language} at ${width}`);
      await named(page, `${what} in ${language}`);
      await longShot(page, `${what}-${width}-${theme}-${language}`);
    }
  }
  await page.setViewportSize({ width: 1560, height: 900 });
  await dress(page, 'dark', 'en');
}
const links = (page) => page.locator('.bar nav a').evaluateAll((all) => all.map((link) => link.getAttribute('href')));
/** Answers a request in the place of the server. */
const answer = (page, path, body, method = 'GET') =>
  page.route(
    (url) => url.pathname === path,
    (route) => (route.request().method() === method ? route.fulfill({ json: body }) : route.fallback()),
  );

describe('access', () => {
  const mark = `${process.pid}-${Date.now() % 100_000}`;
  let first;
  let second;
  let target;
  before(async () => {
    target = await makeUser(`e2e-target-${mark}`, ['trader']);
    first = await atWork(await makeAdmin(`e2e-first-${mark}`));
    second = await atWork(await makeAdmin(`e2e-second-${mark}`));
  });
  after(async () => {
    await first?.close();
    await second?.close();
  });

  test('roles change by two people: who asks does not decide', async () => {
    const { page } = first;
    await page.goto(`${house}/access`);
    await page.fill('input[name=find]', target.user);
    const row = page.locator('.people tbody tr', { hasText: target.user });
    await row.waitFor();
    assert.match(await row.textContent(), /trader/);
    await row.focus();
    await page.keyboard.press('Enter');
    await page.locator('.about .facts').waitFor();
    await page.click('[data-act=ask-roles]');
    const role = (name) => page.locator(`input[name=role][value=${name}]`);
    assert.equal(await role('trader').isChecked(), true);
    assert.equal(await page.locator('input[name=role][value=client]').count(), 0, 'a role of clients for staff');
    await role('trader').uncheck();
    await role('auditor').check();
    await page.fill('input[name=reason]', 'moves to the auditors <b>now</b>');
    await shot(page, 'access-ask-roles');
    await page.click('[data-act=send-roles]');
    const told = await confirm(page);
    assert.match(
      told,
      /Ask for other roles of a user[\s\S]*\nRoles: auditor\n[\s\S]*Reason: moves to the auditors <b>now<\/b>\n/,
    );
    await page.locator('[data-asked]').waitFor();
    assert.match(await page.locator('.about .facts').textContent(), /trader/, 'nothing changed yet');

    await page.click('[data-asked] a');
    const own = page.locator('.role-changes tbody tr', { hasText: target.user });
    await own.locator('[data-change=proposed]').waitFor();
    assert.equal(await own.locator('[data-act=approve-roles]').count(), 0, 'who asked may decide');
    assert.match(await own.textContent(), /somebody else decides/);
    await shot(page, 'access-change-own');

    const other = second.page;
    await other.goto(`${house}/access/changes`);
    const waiting = other.locator('.role-changes tbody tr', { hasText: target.user });
    await waiting.locator('[data-act=approve-roles]').click();
    assert.match(await confirm(other), /Decision: approve/);
    await waiting.locator('[data-change=approved]').waitFor();
    await other.goto(`${house}/access/user/${target.id}`);
    await other.locator('.about .chip', { hasText: 'auditor' }).waitFor();
    assert.equal(await other.locator('.about .chip', { hasText: 'trader' }).count(), 0);
    quiet(first.complaints);
    quiet(second.complaints);
  });

  test('an administrator has the pages of oversight, and none to trade', async () => {
    const seen = await links(first.page);
    for (const path of ['/access', '/audit', '/evidence', '/keys', '/system']) assert.ok(seen.includes(path), path);
    for (const path of ['/trading', '/orders', '/clients']) assert.ok(!seen.includes(path), path);
    // Deletion is theirs, proofs of clients' records are not.
    await first.page.goto(`${house}/evidence/deletion`);
    await first.page.locator('.deletions').waitFor();
    await first.page.goto(`${house}/evidence/proof`);
    await first.page.locator('.check-proof').waitFor();
    assert.equal(await first.page.locator('.get-proof').count(), 0);
    quiet(first.complaints);
  });

  test('a user is shut out and let in again, by a fresh proof each time', async () => {
    const { page, complaints } = second;
    await page.goto(`${house}/access/user/${target.id}`);
    await page.click('[data-act=shut-out]');
    // Going back changes nothing.
    await page.locator('[data-step-up-text]').waitFor();
    await page.keyboard.press('Escape');
    assert.equal((await ask(`/v1/users/${target.id}`, 'staff')).disabled, false);
    await page.click('[data-act=shut-out]');
    assert.match(await confirm(page), /^Shut a user out/);
    await page.locator('[data-act=let-in]').waitFor();
    assert.equal((await ask(`/v1/users/${target.id}`, 'staff')).disabled, true);
    await page.click('[data-act=let-in]');
    await confirm(page);
    await page.locator('[data-act=shut-out]').waitFor();
    await page.click('[data-act=reset-factors]');
    assert.match(await confirm(page), /second factors/);
    await page.waitForFunction(() => !document.querySelector('[data-act=reset-factors]').disabled);
    await looks(page, 'access-person');
    quiet(complaints);
  });

  test('nobody is offered to shut themselves out', async () => {
    const { page } = second;
    const id = await page.evaluate(async () => (await (await fetch('/v1/me')).json()).id);
    await page.goto(`${house}/access/user/${id}`);
    await page.locator('.about .facts').waitFor();
    for (const act of ['shut-out', 'reset-factors', 'end-all'])
      assert.equal(await page.locator(`[data-act=${act}]`).count(), 0, act);
  });

  test('an access review is begun and gone through; an overdue one is marked', async () => {
    const { page, complaints } = first;
    await page.goto(`${house}/access/reviews`);
    await page.fill('input[name=days]', '7');
    await page.click('[data-act=begin-review]');
    const item = page.locator('.review-items tbody tr', { hasText: target.user });
    await item.locator('[data-act=confirm-access]').click();
    assert.match(await confirm(page), /^Decide on a user's access[\s\S]*Decision: confirm/);
    await item.getByText('confirmed').waitFor();
    const self = page.locator('.review-items tbody tr', { hasText: `e2e-first-${mark}` });
    assert.equal(await self.locator('button').count(), 0, 'one’s own access');
    await page.check('.review-items input[type=checkbox]');
    await item.waitFor({ state: 'detached' });
    await looks(page, 'access-reviews');

    await page.route('**/v1/access-reviews?*', async (route) => {
      const told = await (await route.fetch()).json();
      told.reviews[0].overdue = true;
      await route.fulfill({ json: told });
    });
    await page.reload();
    await page.locator('.reviews [data-review=overdue]').waitFor();
    await page.unroute('**/v1/access-reviews?*');
    quiet(complaints);
  });

  test('who can do what, and the policies that say so', async () => {
    const { page, complaints } = first;
    await page.goto(`${house}/access/roles`);
    await page.locator('.matrix tbody tr').first().waitFor();
    const policies = await ask('/v1/policies', 'staff');
    assert.equal(await page.locator('.matrix tbody tr').count(), policies.actions.length);
    for (const { name, actions } of policies.roles)
      assert.equal(await page.locator(`.matrix td.yes[data-role="${name}"]`).count(), actions.length, name);
    const words = await page
      .locator('.matrix tbody th')
      .evaluateAll((all) => all.map((th) => th.firstChild.textContent));
    const raw = words.filter((word) => policies.actions.includes(word));
    assert.deepEqual(raw, [], 'actions without words');
    await looks(page, 'access-roles');
    await page.goto(`${house}/access/policy`);
    await page.locator('.policy').first().waitFor();
    assert.equal(await page.locator('.policy').count(), policies.policies.length);
    await page.locator('.policy summary').first().click();
    await looks(page, 'access-policy');
    await page.goto(`${house}/access`);
    await page.locator('.people tbody tr').nth(3).waitFor();
    await looks(page, 'access-people');
    quiet(complaints);
  });

  test('the audit trail is searched, handed on by its address, and read entry by entry', async () => {
    const { page, complaints } = second;
    await page.goto(`${house}/audit`);
    await page.locator('.audit-rows tbody tr').nth(3).waitFor();
    await looks(page, 'audit');
    await page.fill('input[name=action]', 'role.decided');
    await page.selectOption('select[name=outcome]', 'done');
    await page.keyboard.press('Enter');
    await page.click('[data-act=search-audit]');
    await page.waitForURL(/action=role\.decided&outcome=done/);
    const rows = page.locator('.audit-rows tbody tr');
    await page.locator('.audit-rows [data-found]:not([data-found=""])').waitFor();
    await rows.first().waitFor();
    const actions = await rows.evaluateAll((all) => all.map((row) => row.children[2].textContent));
    assert.deepEqual([...new Set(actions)], ['role.decided']);
    await page.reload();
    await rows.first().waitFor();
    assert.equal(await page.inputValue('input[name=action]'), 'role.decided');
    await rows.first().focus();
    await page.keyboard.press('Enter');
    await page.locator('dialog[open] [data-detail]').waitFor();
    assert.match(await page.locator('dialog[open] [data-detail]').textContent(), /approved: roles auditor/);
    await shot(page, 'audit-entry');
    await page.keyboard.press('Escape');
    await page.fill('input[name=action]', 'no.such');
    await page.click('[data-act=search-audit]');
    await page.locator('.audit-rows .empty').waitFor();
    await page.waitForFunction(() => /fits this search/.test(document.querySelector('.audit-rows .empty').textContent));
    await page.click('[data-act=clear-audit]');
    await page.waitForURL((url) => url.search === '');
    quiet(complaints);
  });

  test('an entry of the trail is proven from its own page', async () => {
    const { page, complaints } = second;
    const { rows } = await ask('/v1/audit?action=role.decided&limit=1', 'staff');
    // Where the trail tells no leaves, there is nothing to prove from it.
    if (rows[0].leaf === undefined) return;
    await page.goto(`${house}/audit?name=e2e-second-${mark}&action=role.*&from=2020-01-01T00:00&text=approved`);
    await page.locator('.audit-rows tbody tr').first().click();
    await page.click('[data-act=audit-verify]');
    await page.locator('.verdict-box').waitFor();
    assert.equal(await page.locator('.verdict-box').getAttribute('data-verdict'), 'proven');
    assert.match(await page.locator('.proven-records tbody tr').textContent(), /role\.decided · done/);
    quiet(complaints);
  });

  test('an export is asked for by one, approved by another, downloaded and traced', async () => {
    const { page, complaints } = first;
    if (!(await links(page)).includes('/exports')) return;
    const reason = `yearly audit ${mark}`;
    await page.goto(`${house}/exports`);
    await page.selectOption('select[name=kind]', 'audit');
    await page.fill('input[name=reason]', reason);
    await page.click('[data-act=ask-export]');
    const own = page.locator('.export-list tbody tr', { hasText: reason });
    await own.locator('[data-export=requested]').waitFor();
    await own.click();
    await page.locator('dialog[open] [data-reason]').waitFor();
    assert.equal(await page.locator('dialog[open] [data-act=approve-export]').count(), 0, 'who asked may approve');
    await page.keyboard.press('Escape');

    const other = second.page;
    await other.goto(`${house}/exports`);
    await other.locator('.export-list tbody tr', { hasText: reason }).click();
    await other.click('[data-act=approve-export]');
    assert.match(await confirm(other), /^Decide on an export of data[\s\S]*Decision: approve/);
    await other.locator('dialog[open] [data-export=ready], dialog[open] [data-export=running]').waitFor();
    assert.equal(await other.locator('[data-act=download-export]').count(), 0, 'another one downloads');

    await page.reload();
    await own.locator('[data-export=ready]').waitFor();
    await own.click();
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('[data-act=download-export]')]);
    const file = await readFile(await download.path(), 'utf8');
    const seen = new RegExp(`Asked for by \\d+ \\(e\\*+\\d\\), approved by \\d+ [^\n]*${reason}`);
    assert.match(file, seen, 'the mark that is seen');
    await page.keyboard.press('Escape');
    // A piece out of the middle: what is seen of the mark is gone, what is not seen is there.
    const lines = file.split('\n');
    const piece = lines.slice(12, Math.max(lines.length - 8, 90)).join('\n');
    await page.goto(`${house}/exports/leaks`);
    await page.fill('textarea[name=piece]', piece.slice(0, 48_000));
    await page.click('[data-act=find-leak]');
    await page.locator('.leaks tbody tr', { hasText: `e2e-first-${mark}` }).waitFor();
    quiet(complaints);
    quiet(second.complaints);
  });

  test('a legal hold is placed by one, stops deletion, and is released by another', async () => {
    const { page, complaints } = first;
    if (!(await links(page)).includes('/exports')) return;
    const reason = `investigation ${mark}`;
    await page.goto(`${house}/exports/holds`);
    await page.fill('.holds input[name=account]', '19');
    await page.fill('.holds input[name=authority]', `CSRC ${mark}`);
    await page.fill('.holds input[name=reason]', reason);
    await page.click('[data-act=place-hold]');
    const hold = page.locator('.holds tbody tr', { hasText: reason });
    await hold.locator('[data-hold=held]').waitFor();
    assert.equal(await hold.locator('button').count(), 0, 'one’s own hold');
    complaints.expect(/status of 409 .*\/v1\/evidence\/destructions/);
    await page.goto(`${house}/evidence/deletion`);
    await page.fill('.deletions input[name=account]', '19');
    await page.fill('.deletions input[name=year]', '2000');
    await page.click('[data-act=ask-deletion]');
    await page.locator('.deletions [role=alert]').waitFor();

    const other = second.page;
    await other.goto(`${house}/exports/holds`);
    const held = other.locator('.holds tbody tr', { hasText: reason });
    await held.locator('[data-act=release-hold]').click();
    await other.fill('input[name=release-reason]', 'case closed');
    await other.click('[data-act=send-release]');
    assert.match(await confirm(other), /^Release a legal hold/);
    await held.locator('[data-hold=released]').waitFor();
    quiet(complaints);
    quiet(second.complaints);
  });

  test('a search goes on over answers that hold nothing, and sends every field', async () => {
    const { page, complaints } = second;
    const row = (number) => ({
      number,
      at: '2026-07-06T09:15:00.123+08:00',
      principal: '3',
      name: 'a***a',
      credential: 'session:7',
      action: 'user.created',
      resource: 'principal:9',
      outcome: 'done',
      detail: '<img src=x onerror=alert(1)>',
      address: '203.0.*.*',
      times: 1,
      leaf: number === 41 ? 1234 : null,
    });
    const asked = [];
    await page.route('**/v1/audit?*', (route) => {
      const query = new URL(route.request().url()).searchParams;
      asked.push(Object.fromEntries(query));
      const before = query.get('before');
      const pages = {
        null: { rows: [], next_before: 90 },
        90: { rows: Array.from({ length: 100 }, (_, i) => row(89 - i + 100)), next_before: 50 },
        50: { rows: [row(41), row(40)], next_before: null },
      };
      return route.fulfill({ json: pages[before] });
    });
    await page.goto(
      `${house}/audit?text=alice&from=2026-07-06T09:30&account=17&name=ada&address=203.0.113.7&to=2026-07-07T00:00:01&principal=3&outcome=done&action=user.*`,
    );
    await page.locator('.audit-rows tbody tr').nth(99).waitFor();
    await page.click('.audit-rows [data-act=more]');
    await page.locator('.audit-rows tr[data-row="40"]').waitFor();
    assert.equal(await page.locator('.audit-rows [data-act=more]').count(), 0);
    const fields = {
      text: 'alice',
      from: '2026-07-06T09:30:00',
      to: '2026-07-07T00:00:01',
      account: '17',
      name: 'ada',
    };
    for (const query of asked)
      for (const [name, value] of Object.entries(fields)) assert.equal(query[name], value, name);
    assert.deepEqual([...new Set(asked.map((query) => query.before))], [undefined, '90', '50']);
    await page.click('.audit-rows tr[data-row="41"]');
    await page.locator('dialog[open] [data-act=audit-verify]').waitFor();
    assert.equal(await page.locator('dialog[open] [data-detail]').textContent(), '<img src=x onerror=alert(1)>');
    assert.equal(await page.locator('dialog img').count(), 0);
    await page.keyboard.press('Escape');
    await page.click('.audit-rows tr[data-row="40"]');
    await page.locator('dialog[open] [data-detail]').waitFor();
    assert.equal(
      await page.locator('dialog[open] [data-act=audit-verify]').count(),
      0,
      'a proof of what is not there yet',
    );
    await page.keyboard.press('Escape');
    await page.unroute('**/v1/audit?*');
    quiet(complaints);
  });

  test('keys are shown and not changed', async () => {
    const { page, complaints } = first;
    const at = 1_700_000_000_000_000_000;
    await answer(page, '/v1/keys', {
      configured: true,
      ring: 'ab12cd34ef56ab12cd34ef56ab12cd34',
      master: 'file: keys/master.key',
      master_version: 1,
      algorithm: 'AES-256-GCM',
      generation: 7,
      current: 1,
      closed: 1,
      destroyed: 1,
      officers: [
        { name: 'li.wei', added_at: at },
        { name: 'wang.fang', added_at: at },
      ],
      keys: ['current', 'closed', 'destroyed'].map((state, i) => ({
        id: String(i + 1),
        algorithm: 'AES-256-GCM',
        store: 'record',
        tenant: 'house',
        period: '2026',
        made_at: at,
        state,
      })),
      operations: [
        {
          number: '3',
          at,
          operation: 'rotate-master',
          detail: 'version 1',
          officers: ['li.wei', 'wang.fang'],
          outcome: 'done',
        },
      ],
    });
    await page.goto(`${house}/keys`);
    await page.locator('.ring-keys tbody tr').nth(2).waitFor();
    assert.match(await page.locator('.ring-keys tbody tr').nth(2).textContent(), /destroyed/);
    assert.match(
      await page.locator('.operations tbody tr').first().textContent(),
      /2023-11-15 06:13:20.*li\.wei, wang\.fang/,
    );
    assert.equal(await page.locator('.keyring button').count(), 0, 'a button that changes keys');
    assert.match(await page.locator('.commands').textContent(), /heng keys rotate-master/);
    await looks(page, 'keys');
    await answer(page, '/v1/keys', { configured: false });
    await page.reload();
    await page.locator('[data-ring=none]').waitFor();
    assert.equal(await page.locator('.ring-keys').count(), 0);
    quiet(complaints);
  });
});

describe('exports', () => {
  // What another person does stands in these answers, so that both sides of it are seen by one.
  const exported = (id, more) => ({
    id,
    kind: 'audit',
    filter: { from: '2026-07-01', action: 'user.*' },
    reason: `yearly audit ${id}`,
    masked: true,
    bom: false,
    state: 'requested',
    requested_by: '999',
    requested_at: '2026-07-06T09:15:00.123+08:00',
    ...more,
  });
  let session;
  let me;
  before(async () => {
    session = await browse();
    const { page } = session;
    await page.route('**/v1/me', async (route) => {
      const told = await (await route.fetch()).json();
      const more = ['personal.read', 'export.request', 'export.decide', 'export.reveal', 'hold.write'];
      if (told.actions) told.actions = [...new Set([...told.actions, ...more])];
      await route.fulfill({ status: told.actions ? 200 : 401, json: told });
    });
    session.complaints.expect(/status of 401 .*\/v1\/me/);
    session.complaints.expect(/status of 404 .*\/v1\/users\/999/);
    await signIn(page, 'staff');
    me = (await ask('/v1/me', 'staff')).id;
  });
  after(() => session.close());

  test('one asks with a reason, another one decides, and only who asked downloads', async () => {
    const { page, complaints } = session;
    const sent = [];
    const list = [
      exported('4', { masked: false }),
      exported('3', { requested_by: me }),
      exported('2', {
        requested_by: me,
        state: 'ready',
        decided_by: '999',
        decided_at: '2026-07-06T09:16:00.000+08:00',
        rows: 1200,
        bytes: 90210,
        sha256: 'ab'.repeat(32),
        sm3: 'cd'.repeat(32),
        ends_at: '2026-07-13T09:16:00.000+08:00',
      }),
      exported('1', { state: 'failed', trouble: 'the disk is full' }),
    ];
    await page.route(
      (url) => url.pathname.startsWith('/v1/exports') || url.pathname.startsWith('/v1/step-up'),
      (route) => {
        const request = route.request();
        const { pathname } = new URL(request.url());
        if (request.method() === 'POST') {
          sent.push([pathname, request.postDataJSON(), request.headers()['step-up']]);
        }
        if (pathname === '/v1/step-up')
          return route.fulfill({
            json: { id: 'q', means: 'totp', text: { en: 'Decide', zh: '审批' }, expires_at: '' },
          });
        if (pathname === '/v1/step-up/q') return route.fulfill({ json: { step_up: 'hsu_1', expires_at: '' } });
        if (pathname === '/v1/exports/4/decision') Object.assign(list[0], { state: 'running', progress: 60 });
        if (pathname.endsWith('/file')) return route.fulfill({ contentType: 'text/csv', body: '\ufeffa,b\n1,2\n' });
        return route.fulfill({ json: request.method() === 'GET' ? { exports: list, next_before: null } : list[0] });
      },
    );
    await page.goto(`${base}/exports`);
    await page.locator('.export-list tbody tr').nth(3).waitFor();
    await looks(page, 'exports');

    await page.selectOption('select[name=kind]', 'orders');
    assert.equal(await page.locator('input[name=principal]').count(), 0, 'orders are not asked for by person');
    await page.fill('input[name=account]', '17');
    await page.fill('input[name=from]', '2026-07-01');
    await page.fill('input[name=reason]', 'for the client');
    await page.click('[data-act=ask-export]');
    await page.waitForFunction(() => document.querySelector('input[name=reason]').value === '');
    assert.deepEqual(sent[0].slice(0, 2), [
      '/v1/exports',
      {
        kind: 'orders',
        filter: { from: '2026-07-01', account: '17' },
        reason: 'for the client',
        masked: true,
        bom: false,
      },
    ]);

    // One's own waits for somebody else.
    await page.click('.export-list tr[data-row="3"]');
    await page.locator('dialog[open] [data-reason]').waitFor();
    assert.equal(await page.locator('dialog[open] [data-act=approve-export]').count(), 0);
    await page.keyboard.press('Escape');
    await page.click('.export-list tr[data-row="4"]');
    await shot(page, 'export-decide');
    await page.click('[data-act=approve-export]');
    await page.fill('input[name=step-up-code]', '123456');
    await page.click('[data-act=step-up]');
    await page.locator('.export-list tr[data-row="4"] [data-export=running]').waitFor();
    const decision = sent.find(([path]) => path === '/v1/exports/4/decision');
    assert.deepEqual(decision, ['/v1/exports/4/decision', { decision: 'approve' }, 'hsu_1']);
    const stepUp = sent.find(([path]) => path === '/v1/step-up')[1];
    assert.deepEqual(stepUp, {
      operation: 'decideExport',
      target: '/v1/exports/4/decision',
      body: '{"decision":"approve"}',
    });
    await page.keyboard.press('Escape');
    await page.click('.export-list tr[data-row="2"]');
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('[data-act=download-export]')]);
    assert.equal(download.suggestedFilename(), 'heng-audit-2.csv');
    await page.keyboard.press('Escape');
    quiet(complaints);
  });

  test('legal holds are placed by one and released by another', async () => {
    const { page, complaints } = session;
    const hold = (id, by) => ({
      id,
      account_id: '17',
      reason: 'investigation',
      authority: 'CSRC 2026-118',
      state: 'held',
      placed_by: by,
      placed_at: '2026-07-06T09:15:00.123+08:00',
    });
    const sent = [];
    await page.route('**/v1/legal-holds**', (route) => {
      const request = route.request();
      if (request.method() === 'GET')
        return route.fulfill({ json: { holds: [hold('2', '999'), hold('1', me)], next_before: null } });
      sent.push(request.postDataJSON());
      return route.fulfill({ status: 201, json: hold('3', me) });
    });
    await page.goto(`${base}/exports/holds`);
    await page.locator('.holds tbody tr').nth(1).waitFor();
    assert.equal(await page.locator('.holds tr[data-row="1"] button').count(), 0, 'one’s own hold');
    await page.fill('.holds input[name=account]', '18');
    await page.fill('.holds input[name=authority]', 'CSRC 2026-119');
    await page.fill('.holds input[name=reason]', 'another');
    await page.click('[data-act=place-hold]');
    await page.waitForFunction(() => document.querySelector('.holds input[name=account]').value === '');
    assert.deepEqual(sent, [{ account_id: '18', reason: 'another', authority: 'CSRC 2026-119' }]);
    await page.click('.holds tr[data-row="2"] [data-act=release-hold]');
    await page.locator('dialog[open] input[name=release-reason]:focus').waitFor();
    await page.keyboard.press('Escape');
    await looks(page, 'holds');
    quiet(complaints);
  });

  test('a leaked piece is traced to its export', async () => {
    const { page, complaints } = session;
    const found = { found: [{ export: exported('4'), matches: 412, of: 415 }], looked_at: 12, marks: 415 };
    await answer(page, '/v1/exports/watermark', found, 'POST');
    await page.goto(`${base}/exports/leaks`);
    await page.fill('textarea[name=piece]', 'a,b\n1,2\n');
    await page.click('[data-act=find-leak]');
    await page.locator('.leaks tbody tr').waitFor();
    assert.match(await page.locator('.leaks tbody tr').textContent(), /412 \/ 415/);
    await looks(page, 'leaks');
    quiet(complaints);
  });
});

describe('by role', () => {
  test('a page is shown only to those who may use it', async () => {
    const { page, complaints, close } = await browse();
    await signIn(page, 'client');
    const seen = await links(page);
    for (const path of ['/access', '/audit', '/keys', '/exports'])
      assert.ok(!seen.includes(path), `a client sees ${path}`);
    assert.ok(seen.includes('/evidence'));
    await page.goto(`${base}/access`);
    await page.getByText('There is no such page').waitFor();
    quiet(complaints);
    await close();
  });
});
