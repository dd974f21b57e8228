// Orders that trade, and orders that come by another way: open pages follow by themselves, without a reload.
//   HENG_READY  the ready file; HENG_URL  another base address; HENG_SHOTS  a folder for screenshots

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { amongTrading, ask, base, browse, order, others, quiet, ready, restingBuy, shot, signIn, tell } from './browser.mjs';

const account = ready.client.account_id;
let session;

before(async () => {
  session = await browse();
  await signIn(session.page, 'client');
});
after(() => session.close());

const depth = async (symbol) => (await ask(`/v1/market/${symbol}/depth?levels=10`)).depth;
const held = async (symbol) => {
  const { holdings } = await ask(`/v1/accounts/${account}`);
  return Number(holdings.find((h) => h.symbol === symbol)?.total ?? 0);
};
const sum = (levels) => levels.reduce((total, [, quantity]) => total + Number(quantity), 0);

/** Opens the trading page and marks it: whatever is seen later with the mark was seen without a reload. */
async function openTrading(symbol) {
  const { page } = session;
  await page.goto(`${base}/trading?symbol=${symbol}`);
  await page.locator('[data-stream=live]').waitFor();
  await page.evaluate(() => (window.sameView = true));
}
const sameView = () => session.page.evaluate(() => window.sameView === true);

/** Waits for the order in a table of the trading page, in this state. */
const seen = (table, id, status) =>
  session.page.locator(`.${table} tr[data-row="${id}"] [data-status=${status}]`).waitFor();

/** Sends the ticket as it is filled in; returns the id of the order. */
async function place() {
  const { page } = session;
  await page.locator('[data-estimate=ready]').waitFor();
  await page.click('.ticket button[type=submit]');
  await page.click('[data-act=place]');
  const accepted = page.locator('[data-ticket=accepted]').first();
  await accepted.waitFor();
  const key = await accepted.getAttribute('data-key');
  return (await ask(`/v1/orders/by-key?account=${account}&client_order_id=${key}`)).order_id;
}

/** The order's own page: its time line ends with a fill, and the fill is listed. */
async function timeLineTellsTheFill(id) {
  const { page } = session;
  await page.click(`.today-orders tr[data-row="${id}"]`);
  await page.locator('.order-facts [data-status=filled]').waitFor();
  await page.locator('.timeline li [data-status=filled]').waitFor();
  await page.locator('.order-fills tbody tr[data-row]').first().waitFor();
  const steps = await page.locator('.timeline li .step-head strong').allTextContents();
  assert.deepEqual([steps[0], steps.at(-1)], ['Placed', 'Filled']);
}

test('a marketable order is filled under the eyes of the client, told in its time line, and held', async () => {
  const { page, complaints } = session;
  const symbol = await amongTrading(async (all) => {
    for (const { symbol } of all) if (sum((await depth(symbol)).asks) >= 1_000) return symbol;
    return undefined;
  });
  const had = await held(symbol);
  await openTrading(symbol);
  // The best offer is taken over from the book; a few ticks more, so that it trades although the market moves.
  await page.locator('.side.asks .level[data-price]').last().click();
  assert.equal(await page.getAttribute('.choice.sides [data-value=buy]', 'aria-checked'), 'true');
  await page.focus('input[name=price]');
  for (let tick = 0; tick < 5; tick += 1) await page.keyboard.press('ArrowUp');
  await page.fill('input[name=quantity]', '100');
  const id = await place();
  await seen('today-orders', id, 'filled');
  await page.locator(`.fills tbody tr[data-row*="-${id}-"]`).first().waitFor();
  assert.equal(await page.locator(`.live-orders tr[data-row="${id}"]`).count(), 0);
  await shot(page, 'trading-filled');

  await timeLineTellsTheFill(id);
  await shot(page, 'order-filled');
  await page.click('.bar nav a[href="/orders"]');
  await page.locator(`.orders tr[data-row="${id}"] [data-status=filled]`).waitFor();
  await page.click('.bar nav a[href="/clients"]');
  await page.waitForFunction(
    ([symbol, total]) =>
      document.querySelector(`.holdings tr[data-row="${symbol}"] td:nth-child(2)`)?.textContent?.replaceAll(',', '') ===
      total,
    [symbol, String(had + 100)],
  );
  await shot(page, 'positions-filled');
  assert.ok(await sameView(), 'nothing was reloaded');
  quiet(complaints);
});

/** Another client who holds more of a stock than is bid for down to the third price; that price. */
async function sellerOf(all) {
  for (const seller of others().slice(0, 19)) {
    const { holdings } = await ask(`/v1/accounts/${seller.account_id}`, seller);
    for (const { symbol, sellable } of holdings) {
      if (!all.some((i) => i.symbol === symbol)) continue;
      const { bids } = await depth(symbol);
      if (bids.length > 4 && Number(sellable) > 2 * sum(bids.slice(0, 3))) return { seller, symbol, price: bids[2][0] };
    }
  }
  return undefined;
}

/** Sells into the bids down to `price` until nothing is left there of the order `id`. */
async function sellThrough({ seller, symbol, price }, id) {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const before = (await depth(symbol)).bids.filter(([at]) => Number(at) >= Number(price));
    const sold = order(seller.account_id, symbol, 'sell', price, String(sum(before) + 100));
    const { sequence } = await tell('/v1/orders', sold, seller);
    const told = await ask(`/v1/orders/${id}?min_sequence=${sequence}`);
    if (told.status === 'filled') return;
  }
  assert.fail('nobody could be sold to at the price of the order');
}

test('an order that waits is filled by another client while its owner looks on', async () => {
  const { page, complaints } = session;
  const found = await amongTrading(sellerOf);
  await openTrading(found.symbol);
  await page.fill('input[name=price]', found.price);
  await page.fill('input[name=quantity]', '100');
  const id = await place();
  await seen('live-orders', id, 'working');
  await sellThrough(found, id);
  await seen('today-orders', id, 'filled');
  await page.locator(`.fills tbody tr[data-row*="-${id}-"]`).first().waitFor();
  assert.equal(await page.locator(`.live-orders tr[data-row="${id}"]`).count(), 0);
  await timeLineTellsTheFill(id);
  assert.ok(await sameView(), 'nothing was reloaded');
  quiet(complaints);
});

describe('an order of another program', () => {
  test('appears on the open trading page, and its cancel too', async () => {
    const { page, complaints } = session;
    const { symbol, price } = await restingBuy();
    await openTrading(symbol);
    const { order_id: id } = await tell('/v1/orders', order(account, symbol, 'buy', price));
    await seen('live-orders', id, 'working');
    await seen('today-orders', id, 'working');
    await tell(`/v1/orders/${id}/cancel`, { account });
    await seen('today-orders', id, 'cancelled');
    assert.equal(await page.locator(`.live-orders tr[data-row="${id}"]`).count(), 0);
    assert.ok(await sameView(), 'nothing was reloaded');
    quiet(complaints);
  });
});
