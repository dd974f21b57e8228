// The ticket: an order as it is written, estimated, reviewed and sent, and what became of those sent before.

import {
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
  type FormEvent,
  type KeyboardEvent,
  type ReactNode,
} from 'react';

import {
  ApiError,
  buyingPower,
  estimate,
  ORDER_TYPES,
  type Estimate,
  type OrderDraft,
  type Quote,
  type Side,
} from '../api';
import { grouped, NONE, precision, price as showPrice, product, stepped } from '../format';
import { useKeys, useLoad, useSettled } from '../hooks';
import { usePrefs } from '../prefs';
import { useParam } from '../router';
import { useSession } from '../session';
import { newKey, tickets, type Ticket } from '../tickets';
import { AccountField } from './AccountField';
import { Choice, Dialog, Facts, Panel, Problem, SideTag } from './ui';

const HK_TYPES = ['enhanced-limit', 'at-auction-limit'];
const PRICED = ['limit', 'after-hours-fixed', 'at-auction-limit', 'enhanced-limit'];
const PRICE = /^\d{1,6}(\.\d{1,4})?$/;
const QUANTITY = /^[1-9]\d{0,9}$/;

export function Ticketing({
  account,
  choices,
  onAccount,
  symbol,
  onSymbol,
  picked,
  quote,
  onPlaced,
}: {
  account: string;
  choices: string[];
  onAccount: (account: string) => void;
  symbol: string;
  onSymbol: (symbol: string) => void;
  picked: { price: string; side: Side; n: number } | undefined;
  quote: Quote;
  onPlaced: (sequence: number | undefined) => void;
}): ReactNode {
  const { t, name } = usePrefs();
  const { listing, staff, reloadListing } = useSession();
  const ids = useId();
  const [priceParam] = useParam('price');
  const [sideParam] = useParam('side');
  const [side, setSide] = useState<Side>(sideParam === 'sell' ? 'sell' : 'buy');
  const [typed, setTyped] = useState(symbol);
  const [type, setType] = useState('limit');
  const [price, setPrice] = useState(priceParam);
  const [quantity, setQuantity] = useState('');
  const [review, setReview] = useState<OrderDraft | undefined>();
  const priceField = useRef<HTMLInputElement>(null);
  const quantityField = useRef<HTMLInputElement>(null);
  const instrument = listing?.instruments.find((i) => i.symbol === symbol);
  const hk = symbol.endsWith('.HK');
  const types = hk ? HK_TYPES : ORDER_TYPES.filter((o) => !HK_TYPES.includes(o));
  const usedType = types.includes(type as never) ? type : (types[0] ?? 'limit');
  const tick = instrument?.tick ?? '0.01';
  const lot = instrument?.board_lot ?? '100';
  const digits = precision(tick);
  const priced = PRICED.includes(usedType);

  useEffect(() => setTyped(symbol), [symbol]);
  useEffect(() => {
    if (!picked) return;
    setPrice(picked.price);
    setSide(picked.side);
    quantityField.current?.focus();
  }, [picked]);

  const draft = useMemo<Omit<OrderDraft, 'client_order_id'> | undefined>(() => {
    if (
      !account ||
      !symbol ||
      !QUANTITY.test(quantity) ||
      (priced ? !PRICE.test(price) : price !== '' && !PRICE.test(price))
    )
      return undefined;
    return {
      account,
      symbol,
      side,
      type: usedType,
      quantity,
      ...(price ? { price } : {}),
      ...(listing?.tradeDate ? { trade_date: listing.tradeDate } : {}),
    };
  }, [account, symbol, side, usedType, price, quantity, priced, listing]);

  const settled = useSettled(draft, 200);
  const estimated = useLoad(
    (signal) => (settled ? estimate(settled, signal) : Promise.resolve(undefined)),
    settled ? JSON.stringify(settled) : '',
  );
  const settledPrice = useSettled(price, 200);
  const power = useLoad(
    (signal) =>
      account && symbol && instrument
        ? buyingPower(account, symbol, side, PRICE.test(settledPrice) ? settledPrice : undefined, signal)
        : Promise.resolve(undefined),
    `${account}|${symbol}|${side}|${settledPrice}|${instrument ? 1 : 0}`,
    3_000,
  );

  useKeys({
    b: () => {
      setSide('buy');
      priceField.current?.focus();
    },
    s: () => {
      setSide('sell');
      priceField.current?.focus();
    },
  });

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    // The key is made once; whatever happens to the answer, this order keeps it.
    if (draft) setReview({ ...draft, client_order_id: newKey() });
  };
  const place = (): void => {
    if (!review) return;
    const sent = review;
    setReview(undefined);
    void tickets.send(sent).then((ticket) => {
      if (ticket.state === 'accepted') setQuantity('');
      // The day has turned since it was asked for.
      if (ticket.error instanceof ApiError && ticket.error.codeName === 'WrongTradeDate') reloadListing();
      onPlaced(undefined);
    });
    quantityField.current?.focus();
  };
  const arrows =
    (field: 'price' | 'quantity') =>
    (event: KeyboardEvent<HTMLInputElement>): void => {
      const step = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      if (field === 'quantity') setQuantity((q) => stepped(q, lot, step, 0));
      else setPrice((p) => stepped(p || quote.last || instrument?.prev_close || '', tick, p ? step : 0, digits));
    };
  const most = power.data?.quantity;
  // The server tells what would be held; price times quantity is exact here too.
  const amount = estimated.data?.amount ?? (settled?.price ? product(settled.price, settled.quantity) : undefined);

  return (
    <div className="ticket-column">
      <Panel title={t('trade.ticket')} className={`ticket ${side}`}>
        <form onSubmit={submit} autoComplete="off">
          {!staff && choices.length > 0 ? (
            <label>
              {t('trade.account')}
              <select name="account" value={account} onChange={(e) => onAccount(e.target.value)}>
                {choices.map((a) => (
                  <option key={a} value={a}>
                    {a}
                  </option>
                ))}
              </select>
            </label>
          ) : (
            <AccountField value={account} onChange={onAccount} choices={choices} label={t('trade.account')} />
          )}
          <label>
            {t('trade.symbol')}
            <input
              name="symbol"
              data-search
              list={`${ids}-symbols`}
              value={typed}
              required
              maxLength={16}
              spellCheck={false}
              onChange={(e) => {
                const next = e.target.value.toUpperCase();
                setTyped(next);
                if (listing?.instruments.some((i) => i.symbol === next)) {
                  onSymbol(next);
                  setPrice('');
                }
              }}
              onBlur={() => {
                const found = listing?.instruments.find((i) => i.symbol === typed || i.symbol.split('.')[0] === typed);
                if (found) {
                  onSymbol(found.symbol);
                  setTyped(found.symbol);
                }
              }}
            />
            <datalist id={`${ids}-symbols`}>
              {(listing?.instruments ?? []).slice(0, 2000).map((i) => (
                <option key={i.symbol} value={i.symbol}>
                  {i.name}
                </option>
              ))}
            </datalist>
          </label>
          <Choice
            label={t('trade.side')}
            className="sides"
            value={side}
            onChange={setSide}
            options={[
              ['buy', t('trade.buy')],
              ['sell', t('trade.sell')],
            ]}
          />
          <label>
            {t('trade.type')}
            <select name="type" value={usedType} onChange={(e) => setType(e.target.value)}>
              {types.map((o) => (
                <option key={o} value={o}>
                  {name('type', o)}
                </option>
              ))}
            </select>
          </label>
          <label>
            {t(priced ? 'trade.price' : 'trade.protective')}
            <input
              ref={priceField}
              name="price"
              inputMode="decimal"
              value={price}
              required={priced}
              pattern="\d{1,6}(\.\d{1,4})?"
              placeholder={showPrice(quote.last)}
              onChange={(e) => setPrice(e.target.value.trim())}
              onKeyDown={arrows('price')}
            />
          </label>
          <label>
            {t('trade.quantity')}
            <input
              ref={quantityField}
              name="quantity"
              inputMode="numeric"
              value={quantity}
              required
              pattern="[1-9]\d{0,11}"
              placeholder={lot}
              onChange={(e) => setQuantity(e.target.value.trim())}
              onKeyDown={arrows('quantity')}
            />
          </label>
          <div className="power">
            <span>{t(side === 'buy' ? 'trade.maxBuy' : 'trade.maxSell')}</span>
            <button
              type="button"
              className="ghost"
              disabled={!most || most === '0'}
              onClick={() => most && setQuantity(most)}
              data-max
            >
              {grouped(most)}
            </button>
            {side === 'buy' && (
              <>
                <span>{t('trade.power')}</span>
                <span className="fig" data-power>
                  {grouped(power.data?.cash)}
                </span>
              </>
            )}
          </div>
          <Estimated estimate={estimated.data} error={estimated.error} amount={amount} />
          <button type="submit" className={`primary wide ${side}`} disabled={!draft}>
            {t(side === 'buy' ? 'trade.buy' : 'trade.sell')}
          </button>
          {!account && <p className="dim">{t('trade.noAccount')}</p>}
        </form>
      </Panel>
      <TicketList onPlaced={onPlaced} />
      <Dialog open={review !== undefined} title={t('trade.review')} onClose={() => setReview(undefined)}>
        {review && (
          <form
            onSubmit={(e) => {
              e.preventDefault();
              place();
            }}
            className={`review ${review.side}`}
          >
            <p className="review-line">
              <SideTag side={review.side} /> <strong>{grouped(review.quantity)}</strong> {review.symbol} @{' '}
              <strong>{review.price ?? name('type', review.type)}</strong>
            </p>
            <Facts
              rows={[
                [t('trade.account'), review.account],
                [t('trade.type'), name('type', review.type)],
                [t('trade.amount'), grouped(amount)],
                [t('trade.fees'), grouped(estimated.data?.fees)],
                [t('trade.newKey'), <code key="k">{review.client_order_id}</code>],
              ]}
            />
            <Estimated estimate={estimated.data} error={estimated.error} brief />
            <footer>
              <button type="button" onClick={() => setReview(undefined)}>
                {t('common.cancel')}
              </button>
              <button type="submit" className={`primary ${review.side}`} data-focus data-act="place">
                {t('trade.place')}
              </button>
            </footer>
          </form>
        )}
      </Dialog>
    </div>
  );
}

function Estimated({
  estimate: told,
  error,
  amount,
  brief = false,
}: {
  estimate: Estimate | undefined;
  error: unknown;
  amount?: string | undefined;
  brief?: boolean;
}): ReactNode {
  const { t, lang } = usePrefs();
  const verdict =
    told?.accepted === undefined && !told?.reject ? null : told.reject && told.accepted !== true ? (
      <p className="bad">
        {t('trade.wouldFail')}: {told.reject.code} {lang === 'zh' ? told.reject.title_zh : told.reject.title}
      </p>
    ) : (
      <p className={told.accepted ? 'good' : 'bad'}>{t(told.accepted ? 'trade.wouldPass' : 'trade.wouldFail')}</p>
    );
  if (brief)
    return (
      <div className="verdict">
        {verdict}
        {error !== undefined && <Problem error={error} />}
      </div>
    );
  return (
    <div className="estimate" aria-live="polite" data-estimate={told ? 'ready' : 'none'}>
      <Facts
        rows={[
          [t('trade.amount'), grouped(amount)],
          [t('trade.fees'), grouped(told?.fees)],
          [t('trade.hold'), grouped(told?.hold)],
        ]}
      />
      <div className="verdict">
        {verdict ?? (error === undefined ? <p className="dim">{NONE}</p> : null)}
        {error !== undefined && <Problem error={error} />}
      </div>
    </div>
  );
}

function TicketList({ onPlaced }: { onPlaced: (sequence: number | undefined) => void }): ReactNode {
  const { t, lang } = usePrefs();
  const all = useSyncExternalStore(tickets.listen, tickets.all);
  if (all.length === 0) return null;
  const resend = (ticket: Ticket): void => void tickets.send(ticket.draft).then(() => onPlaced(undefined));
  return (
    <ul className="tickets" aria-live="polite">
      {all.map((ticket) => {
        const d = ticket.draft;
        return (
          <li
            key={d.client_order_id}
            className={`ticket-note ${ticket.state}`}
            data-ticket={ticket.state}
            data-key={d.client_order_id}
          >
            <div className="ticket-head">
              <span>
                <SideTag side={d.side} /> {grouped(d.quantity)} {d.symbol} @ {d.price ?? NONE}
              </span>
              {ticket.state !== 'placing' && (
                <button
                  type="button"
                  className="ghost"
                  onClick={() => tickets.dismiss(d.client_order_id)}
                  aria-label={t('trade.forget')}
                >
                  ✕
                </button>
              )}
            </div>
            {ticket.state === 'placing' && <p>{t('trade.placing')}</p>}
            {ticket.state === 'accepted' && (
              <p className="good">
                {t('trade.accepted')} · {ticket.orderId}
                {ticket.repeated ? ` · ${t('trade.repeat')}` : ''}
              </p>
            )}
            {ticket.state === 'resolved' && (
              <p className="good">
                {t('trade.resolved')} · {ticket.orderId}
              </p>
            )}
            {ticket.state === 'refused' && (
              <>
                {ticket.reject ? (
                  <p className="bad">
                    {t('trade.refused')}: {ticket.reject.code}{' '}
                    {lang === 'zh' ? ticket.reject.title_zh : ticket.reject.title}
                  </p>
                ) : (
                  <Problem error={ticket.error} />
                )}
                {ticket.error instanceof ApiError && ticket.error.retryAfterS !== null && (
                  <button type="button" onClick={() => resend(ticket)} data-act="resend">
                    {t('trade.resend')}
                  </button>
                )}
              </>
            )}
            {(ticket.state === 'unknown' || ticket.state === 'absent') && (
              <>
                <p className="warn">
                  <strong>{t('trade.unknown')}</strong>
                </p>
                <p className="dim">{t(ticket.state === 'absent' ? 'trade.unknownNone' : 'trade.unknownText')}</p>
                <p className="dim">
                  <code>{d.client_order_id}</code>
                </p>
                {ticket.state === 'absent' && (
                  <button type="button" onClick={() => resend(ticket)} data-act="resend">
                    {t('trade.resend')}
                  </button>
                )}
              </>
            )}
          </li>
        );
      })}
    </ul>
  );
}
