// Numbers and times as people read them. Amounts stay decimal text: they are grouped, never computed with.

import type { Lang } from './words';

export const NONE = '–';

/** Decimal text with thousands separators. */
export function grouped(text: string | null | undefined): string {
  if (text === null || text === undefined || text === '') return NONE;
  const match = /^(-?)(\d+)(\.\d+)?$/.exec(text);
  if (!match) return text;
  return match[1] + (match[2] ?? '').replace(/\B(?=(\d{3})+$)/g, ',') + (match[3] ?? '');
}

/** A price with at least two digits after the point. */
export function price(text: string | null | undefined): string {
  if (text === null || text === undefined || text === '') return NONE;
  const dot = text.indexOf('.');
  const digits = dot < 0 ? 0 : text.length - dot - 1;
  return digits >= 2 ? text : (dot < 0 ? `${text}.` : text) + '0'.repeat(2 - digits);
}

/** A large quantity or amount in a few characters: 1.23M, 1.23万. Approximate on purpose. */
export function short(value: string | number | null | undefined, lang: Lang): string {
  if (value === null || value === undefined || value === '') return NONE;
  const number = Number(value);
  if (!Number.isFinite(number)) return NONE;
  const size = Math.abs(number);
  const steps: [number, string][] =
    lang === 'zh'
      ? [
          [1e12, '万亿'],
          [1e8, '亿'],
          [1e4, '万'],
        ]
      : [
          [1e12, 'T'],
          [1e9, 'B'],
          [1e6, 'M'],
          [1e4, 'K'],
        ];
  for (const [step, unit] of steps) {
    if (size >= step) {
      const scaled = number / (unit === 'K' ? 1e3 : step);
      return scaled.toFixed(Math.abs(scaled) >= 100 ? 1 : 2) + unit;
    }
  }
  return Number.isInteger(number) ? String(number) : number.toFixed(2);
}

export const fixed = (value: number | null | undefined, digits: number): string =>
  value === null || value === undefined || !Number.isFinite(value) ? NONE : value.toFixed(digits);

export const whole = (value: number | null | undefined): string =>
  value === null || value === undefined ? NONE : grouped(String(Math.round(value)));

/** Microseconds in the unit that fits: µs below 1 ms, else ms. */
export function latency(us: number | null | undefined): string {
  if (us === null || us === undefined) return NONE;
  return us < 1_000 ? `${us.toFixed(0)} µs` : `${(us / 1_000).toFixed(us < 100_000 ? 2 : 0)} ms`;
}

/** Change in percent against the previous close, for showing; signed. */
export function changePercent(last: string | undefined, prevClose: string | undefined): number | undefined {
  const [now, before] = [Number(last), Number(prevClose)];
  return last && prevClose && before > 0 && now > 0 ? ((now - before) / before) * 100 : undefined;
}

export const signed = (value: number | undefined, digits: number, unit = ''): string =>
  value === undefined ? NONE : `${value > 0 ? '+' : ''}${value.toFixed(digits)}${unit}`;

/** Sign of a comparison as a class for colouring. */
export const tone = (value: number | undefined): string =>
  value === undefined || value === 0 ? 'flat' : value > 0 ? 'up' : 'down';

const inChina = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'Asia/Shanghai',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
});

/** The clock part of an instant, in China time: 09:30:00. The server writes +08:00, so the text is cut, not computed. */
export function clock(instant: string | number | null | undefined, digits = 0): string {
  if (instant === null || instant === undefined || instant === '') return NONE;
  if (typeof instant === 'number') return inChina.format(instant);
  const match = /T(\d\d:\d\d:\d\d)(\.\d+)?\+08:00$/.exec(instant);
  if (match)
    return (match[1] ?? '') + (digits > 0 ? (match[2] ?? '.').padEnd(digits + 1, '0').slice(0, digits + 1) : '');
  const parsed = Date.parse(instant);
  return Number.isNaN(parsed) ? instant : inChina.format(parsed);
}

export const day = (instant: string | null | undefined): string => (instant ? instant.slice(0, 10) : NONE);
/** Day and clock. */
export const moment = (instant: string | null | undefined, digits = 0): string =>
  instant ? `${day(instant)} ${clock(instant, digits)}` : NONE;

/** Digits after the point that a price or tick is written with, 2 to 4. */
export const precision = (...texts: (string | null | undefined)[]): number =>
  Math.min(4, Math.max(2, ...texts.map((text) => (text?.split('.')[1] ?? '').replace(/0+$/, '').length)));

interface Moved {
  last?: string | undefined;
  prev_close?: string | undefined;
  change_percent?: string | undefined;
}
/** How far a quote has moved, in percent: computed where the close is known, else as it was told. */
export function moved(quote: Moved | undefined): number | undefined {
  if (!quote) return undefined;
  const told = Number(quote.change_percent);
  return (
    changePercent(quote.last, quote.prev_close) ?? (quote.change_percent && Number.isFinite(told) ? told : undefined)
  );
}

/** A decimal of at most four digits after the point as an integer of 1/10,000. */
export function tenThousandths(text: string): bigint | undefined {
  const match = /^(\d{1,12})(?:\.(\d{0,4}))?$/.exec(text);
  return match ? BigInt(match[1] ?? '0') * 10_000n + BigInt((match[2] ?? '').padEnd(4, '0')) : undefined;
}

/** `text` moved by `count` steps, exactly; never below one step. */
export function stepped(text: string, step: string, count: number, digits: number): string {
  const [from, by] = [tenThousandths(text === '' ? '0' : text), tenThousandths(step)];
  if (from === undefined || by === undefined || by === 0n) return text;
  const rounded = (from / by) * by;
  const moved =
    from === rounded || count < 0
      ? rounded + by * BigInt(count) + (from !== rounded && count < 0 ? by : 0n)
      : rounded + by * BigInt(count);
  const at = moved < by ? by : moved;
  const fraction = (at % 10_000n).toString().padStart(4, '0').slice(0, digits);
  return digits > 0 ? `${at / 10_000n}.${fraction}` : String(at / 10_000n);
}

/** Price times quantity, exactly, as decimal text. */
export function product(price: string, quantity: string): string | undefined {
  const at = tenThousandths(price);
  if (at === undefined || !/^\d{1,18}$/.test(quantity)) return undefined;
  const value = at * BigInt(quantity);
  const fraction = (value % 10_000n)
    .toString()
    .padStart(4, '0')
    .replace(/0{1,2}$/, '');
  return `${value / 10_000n}.${fraction}`;
}
