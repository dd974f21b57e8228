// Place orders, see every change of theirs as it happens, cancel them.

import { useCallback, useEffect, useState, type ReactNode } from 'react';

import { useAccountOrders, type AccountOrders } from '../accountOrders';
import { cancelAll, cancelOrder, num, type Order, type Quote, type Side } from '../api';
import { moved, price as showPrice, signed, tone } from '../format';
import { useSeen, useStreamState } from '../hooks';
import { useAccountChoices } from '../parts/AccountField';
import { Ladder, Tape } from '../parts/Book';
import { FillTable } from '../parts/FillTable';
import { OrderTable } from '../parts/OrderTable';
import { Ticketing } from '../parts/Ticket';
import { Dialog, Dot, Panel, Problem } from '../parts/ui';
import { usePrefs } from '../prefs';
import { go, useParam } from '../router';
import { useSession } from '../session';
import { tickets } from '../tickets';

export default function Trading(): ReactNode {
  const { t } = usePrefs();
  const { me, listing } = useSession();
  const [accountParam, setAccount] = useParam('account');
  const [symbolParam, setSymbolParam] = useParam('symbol');
  const choices = useAccountChoices();
  const account = accountParam || choices[0] || '';
  const symbol = (symbolParam || listing?.instruments[0]?.symbol || '').toUpperCase();

  useEffect(() => tickets.begin(me.id ?? me.name), [me]);
  const orders = useAccountOrders(account);
  const [note, setNote] = useState<{ text: string } | { error: unknown } | undefined>();
  const seen = useSeen(listing?.instruments.some((i) => i.symbol === symbol) ? symbol : '');
  const { level } = useStreamState();
  const instrument = listing?.instruments.find((i) => i.symbol === symbol);
  const quote: Quote = { symbol, prev_close: instrument?.prev_close ?? undefined, ...seen?.quote };
  const [picked, setPicked] = useState<{ price: string; side: Side; n: number } | undefined>();

  const cancel = useCallback(
    (order: Order) => {
      cancelOrder(order.account ?? account, order.order_id).then(
        (answer) => {
          setNote({ text: `${t('trade.cancelSent')}: ${order.symbol ?? ''} ${order.order_id}` });
          orders.changed(num(answer['sequence']));
        },
        (error: unknown) => {
          setNote({ error });
          orders.changed(undefined);
        },
      );
    },
    [account, orders, t],
  );

  return (
    <div className="page trading">
      <h1 className="sr">{t('nav.trading')}</h1>
      <Ticketing
        account={account}
        choices={choices}
        onAccount={setAccount}
        symbol={symbol}
        onSymbol={setSymbolParam}
        picked={picked}
        quote={quote}
        onPlaced={orders.changed}
      />
      <div className="blotter">
        {note && (
          <div className="note" role="status">
            {'text' in note ? <span>{note.text}</span> : <Problem error={note.error} />}
            <button type="button" className="ghost" onClick={() => setNote(undefined)} aria-label={t('common.close')}>
              ✕
            </button>
          </div>
        )}
        <Orders orders={orders} account={account} onCancel={cancel} onNote={setNote} />
      </div>
      <div className="side-column">
        <Panel
          title={
            <>
              {symbol}{' '}
              <span className={tone(moved(quote))}>
                {showPrice(quote.last)} {signed(moved(quote), 2, '%')}
              </span>
            </>
          }
          className="depth"
          tools={seen?.stale ? <span className="warn">{t('common.stale')}</span> : undefined}
        >
          <Ladder
            seen={seen}
            prevClose={quote.prev_close}
            shown={level === 'level1' ? 5 : 8}
            onPick={(price, side) =>
              setPicked((old) => ({ price, side: side === 'ask' ? 'buy' : 'sell', n: (old?.n ?? 0) + 1 }))
            }
          />
          <p className="hint dim">{t('trade.bookHint')}</p>
        </Panel>
        <Panel title={t('market.tape')} className="tape-panel">
          <Tape tape={seen?.tape ?? []} />
        </Panel>
      </div>
    </div>
  );
}

function Orders({
  orders,
  account,
  onCancel,
  onNote,
}: {
  orders: AccountOrders;
  account: string;
  onCancel: (order: Order) => void;
  onNote: (note: { text: string } | { error: unknown }) => void;
}): ReactNode {
  const { t } = usePrefs();
  const [asking, setAsking] = useState(false);
  const tone = orders.state === 'live' ? 'good' : orders.state === 'refused' ? 'bad' : 'warn';
  const open = (order: Order): void => go(`/orders/${order.order_id}`);
  const all = (): void => {
    setAsking(false);
    cancelAll(account).then(
      (answer) => {
        onNote({ text: t('trade.cancelAllDone') });
        orders.changed(num(answer['sequence']));
      },
      (error: unknown) => onNote({ error }),
    );
  };
  const titles = {
    live: `${t('trade.live')} · ${orders.live.length}`,
    today: t('trade.today'),
    fills: t('trade.fills'),
  };
  return (
    <>
      <Panel
        title={titles.live}
        className="live-orders"
        tools={
          <>
            <span data-stream={orders.state}>
              <Dot tone={tone}>
                {t(
                  orders.state === 'live'
                    ? 'common.live'
                    : orders.state === 'refused'
                      ? 'common.offline'
                      : 'common.connecting',
                )}
              </Dot>
            </span>
            <button
              type="button"
              className="small"
              disabled={orders.live.length === 0}
              onClick={() => setAsking(true)}
              data-act="cancel-all"
            >
              {t('trade.cancelAll')}
            </button>
          </>
        }
      >
        {orders.error !== undefined && <Problem error={orders.error} />}
        <OrderTable orders={orders.live} label={titles.live} onOpen={open} onCancel={onCancel} />
      </Panel>
      <Panel title={titles.today} className="today-orders">
        <OrderTable orders={orders.today} label={titles.today} onOpen={open} />
      </Panel>
      <Panel title={titles.fills} className="fills">
        <FillTable fills={orders.fills} />
      </Panel>
      <Dialog open={asking} title={t('trade.cancelAll')} onClose={() => setAsking(false)}>
        <p>
          {t('trade.cancelAllAsk')} <strong>{account}</strong> ({orders.live.length})
        </p>
        <footer>
          <button type="button" onClick={() => setAsking(false)}>
            {t('common.cancel')}
          </button>
          <button type="button" className="primary" data-focus onClick={all} data-act="confirm-cancel-all">
            {t('common.confirm')}
          </button>
        </footer>
      </Dialog>
    </>
  );
}
