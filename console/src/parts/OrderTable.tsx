import type { ReactNode } from 'react';

import { LIVE_STATES, type Order } from '../api';
import { clock, grouped, moment, price } from '../format';
import { usePrefs } from '../prefs';
import { SideTag, Status, Table, type Column } from './ui';

export const isLive = (order: Order): boolean => LIVE_STATES.includes(order.status ?? '');

/** Why an order ended as it did, in the person's language. */
export function OrderReason({ order }: { order: Order }): ReactNode {
  const { name, lang } = usePrefs();
  if (order.reject) {
    const text = (lang === 'zh' ? order.reject.title_zh : order.reject.title) ?? order.reject.code_name;
    return (
      <span className="bad" title={text}>
        {order.reject.code} {text}
      </span>
    );
  }
  return order.reason ? name('reason', order.reason) : null;
}

export function OrderTable({
  orders,
  label,
  onOpen,
  onCancel,
  full = false,
  selected,
  empty,
}: {
  orders: Order[];
  label: string;
  onOpen?: (order: Order) => void;
  onCancel?: (order: Order) => void;
  /** With dates and fees. */
  full?: boolean;
  selected?: string | undefined;
  empty?: ReactNode;
}): ReactNode {
  const { t, name } = usePrefs();
  const columns: Column<Order>[] = [
    {
      key: 'time',
      head: t('order.placedAt'),
      width: full ? 10.5 : 5,
      spare: true,
      cell: (o) => (full ? moment(o.placed_at) : clock(o.placed_at)),
    },
    { key: 'symbol', head: t('market.symbol'), width: 5.6, cell: (o) => o.symbol },
    { key: 'side', head: t('trade.side'), width: 3.4, cell: (o) => <SideTag side={o.side} /> },
    {
      key: 'type',
      head: t('trade.type'),
      width: full ? 9 : 5.2,
      spare: true,
      cell: (o) => <span title={name('type', o.type)}>{name('type', o.type)}</span>,
    },
    { key: 'price', head: t('trade.price'), figure: true, width: 5, cell: (o) => price(o.price) },
    { key: 'quantity', head: t('trade.quantity'), figure: true, width: 4.8, cell: (o) => grouped(o.quantity) },
    {
      key: 'filled',
      head: t('order.filled'),
      figure: true,
      width: 4.8,
      spare: true,
      cell: (o) => grouped(o.filled),
    },
    ...(full
      ? [
          {
            key: 'value',
            head: t('order.value'),
            figure: true,
            width: 7,
            spare: true,
            cell: (o: Order) => grouped(o.value),
          },
          {
            key: 'fees',
            head: t('order.fees'),
            figure: true,
            width: 5,
            spare: true,
            cell: (o: Order) => grouped(o.fees),
          },
        ]
      : []),
    {
      key: 'status',
      head: t('order.status'),
      width: 7,
      spare: onCancel !== undefined,
      cell: (o) => <Status status={o.status} />,
    },
    // A live order has no reason yet, and one that has ended cannot be cancelled.
    ...(onCancel === undefined
      ? [{ key: 'reason', head: t('order.reason'), spare: true, cell: (o: Order) => <OrderReason order={o} /> }]
      : []),
    ...(onCancel
      ? [
          {
            key: 'cancel',
            head: '',
            width: 4.6,
            cell: (o: Order) =>
              isLive(o) && o.status !== 'pending-cancel' ? (
                <button
                  type="button"
                  className="small"
                  data-act="cancel"
                  onClick={(e) => {
                    e.stopPropagation();
                    onCancel(o);
                  }}
                  aria-label={`${t('trade.cancel')} ${o.symbol ?? ''} ${o.order_id}`}
                >
                  {t('trade.cancel')}
                </button>
              ) : null,
          },
        ]
      : []),
  ];
  return (
    <Table
      label={label}
      rows={orders}
      id={(o) => o.order_id}
      columns={columns}
      onOpen={onOpen}
      onKey={(o, event) => {
        if (event.key === 'Delete' && onCancel && isLive(o)) {
          event.preventDefault();
          onCancel(o);
        }
      }}
      selected={selected}
      empty={empty}
    />
  );
}
