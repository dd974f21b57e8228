// All instruments with search; only the rows in sight are made, so that thousands cost nothing.

import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';

import { num, type Quote } from '../api';
import { moved, price, short, signed, tone } from '../format';
import { usePrefs } from '../prefs';

const ROW = 26;
type Order = 'symbol' | 'change' | 'turnover';

export function InstrumentList({
  quotes,
  selected,
  onSelect,
  focusSearch,
}: {
  quotes: Quote[];
  selected: string;
  onSelect: (symbol: string) => void;
  focusSearch: boolean;
}): ReactNode {
  const { t, lang } = usePrefs();
  const [find, setFind] = useState('');
  const [order, setOrder] = useState<{ by: Order; down: boolean }>({ by: 'symbol', down: false });
  const [view, setView] = useState({ top: 0, height: 600 });
  const box = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);

  useEffect(() => {
    if (focusSearch) field.current?.focus();
  }, [focusSearch]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = (): void => setView({ top: element.scrollTop, height: element.clientHeight });
    const watcher = new ResizeObserver(measure);
    watcher.observe(element);
    element.addEventListener('scroll', measure, { passive: true });
    return () => {
      watcher.disconnect();
      element.removeEventListener('scroll', measure);
    };
  }, []);

  const rows = useMemo(() => {
    const wanted = find.trim().toLowerCase();
    const found = quotes.filter(
      (q) => q.symbol.toLowerCase().includes(wanted) || (q.name ?? '').toLowerCase().includes(wanted),
    );
    const value = (q: Quote): number => (order.by === 'change' ? (moved(q) ?? -1e9) : (num(q.turnover) ?? -1));
    found.sort(
      (a, b) =>
        (order.by === 'symbol' ? a.symbol.localeCompare(b.symbol) : value(a) - value(b)) * (order.down ? -1 : 1),
    );
    return found;
  }, [quotes, find, order]);

  const from = Math.max(0, Math.floor(view.top / ROW) - 6);
  const to = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW) + 6);
  const at = rows.findIndex((q) => q.symbol === selected);

  const step = (to: number): void => {
    const next = rows[Math.max(0, Math.min(rows.length - 1, to))];
    if (!next || !box.current) return;
    onSelect(next.symbol);
    const y = rows.indexOf(next) * ROW;
    if (y < box.current.scrollTop) box.current.scrollTop = y;
    else if (y + ROW > box.current.scrollTop + box.current.clientHeight)
      box.current.scrollTop = y + ROW - box.current.clientHeight;
  };
  const move = (event: KeyboardEvent): void => {
    const wanted = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + 15,
      PageUp: at - 15,
      Home: 0,
      End: rows.length - 1,
    }[event.key];
    if (wanted === undefined || (event.target === field.current && (event.key === 'Home' || event.key === 'End')))
      return;
    event.preventDefault();
    step(wanted);
  };
  const head = (by: Order, text: string, figure: boolean): ReactNode => (
    <button
      type="button"
      className={`head ${figure ? 'fig' : ''}`}
      aria-pressed={order.by === by}
      onClick={() => setOrder({ by, down: order.by === by ? !order.down : by !== 'symbol' })}
    >
      {text}
      {order.by === by ? (order.down ? ' ↓' : ' ↑') : ''}
    </button>
  );

  return (
    <div className="instruments" onKeyDown={move}>
      <input
        ref={field}
        data-search
        type="search"
        placeholder={`${t('market.search')}  /`}
        aria-label={t('help.search')}
        value={find}
        onChange={(e) => {
          setFind(e.target.value);
          if (box.current) box.current.scrollTop = 0;
        }}
        onKeyDown={(e) => {
          if (e.key === 'Enter') {
            e.preventDefault();
            const pick = at >= 0 ? rows[at] : rows[0];
            if (pick) {
              onSelect(pick.symbol);
              box.current?.focus();
            }
          }
          if (e.key === 'Escape') {
            setFind('');
            box.current?.focus();
          }
        }}
      />
      <div className="inst-row heads">
        {head('symbol', t('market.symbol'), false)}
        <span className="fig">{t('market.last')}</span>
        {head('change', t('market.changePct'), true)}
        {head('turnover', t('market.turnover'), true)}
      </div>
      <div
        className="inst-list"
        ref={box}
        tabIndex={0}
        role="listbox"
        aria-label={t('market.instruments')}
        aria-activedescendant={at >= from && at < to ? `inst-${selected}` : undefined}
      >
        <div style={{ height: rows.length * ROW, position: 'relative' }}>
          {rows.slice(from, to).map((q, i) => {
            const change = moved(q);
            return (
              <div
                key={q.symbol}
                id={`inst-${q.symbol}`}
                role="option"
                aria-selected={q.symbol === selected}
                className={`inst-row ${q.symbol === selected ? 'selected' : ''}`}
                style={{ position: 'absolute', top: (from + i) * ROW, left: 0, right: 0, height: ROW }}
                onClick={() => onSelect(q.symbol)}
                title={q.name}
              >
                <span>{q.symbol}</span>
                <span className={`fig ${tone(change)}`}>{price(q.last)}</span>
                <span className={`fig ${tone(change)}`}>{signed(change, 2, '%')}</span>
                <span className="fig dim">{short(q.turnover, lang)}</span>
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}
