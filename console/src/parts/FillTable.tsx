import type { ReactNode } from 'react';

import type { Fill } from '../api';
import { clock, grouped, price as showPrice } from '../format';
import { usePrefs } from '../prefs';
import { SideTag, Table, type Column } from './ui';

/** A column of amounts, which a narrow window has no room for. */
const figure = (
  key: string,
  head: string,
  width: number,
  of: (fill: Fill) => string | undefined,
): Column<Fill> => ({ key, head, width, figure: true, spare: true, cell: (fill) => grouped(of(fill)) });

export function FillTable({ fills }: { fills: Fill[] }): ReactNode {
  const { t } = usePrefs();
  return (
    <Table
      label={t('trade.fills')}
      rows={fills}
      id={(f) => `${f.trade_id ?? ''}-${f.order_id ?? ''}-${f.sequence ?? ''}-${f.side ?? ''}`}
      columns={[
        {
          key: 'time',
          head: t('common.time'),
          width: 6.7,
          spare: true,
          cell: (f) => clock(f.filled_at ?? f.time, 3),
        },
        ...(fills.some((f) => f.symbol)
          ? [{ key: 'symbol', head: t('market.symbol'), width: 5.6, cell: (f: Fill) => f.symbol }]
          : []),
        { key: 'side', head: t('trade.side'), width: 3.2, cell: (f) => <SideTag side={f.side} /> },
        { key: 'price', head: t('trade.price'), figure: true, width: 4.8, cell: (f) => showPrice(f.price) },
        { key: 'quantity', head: t('trade.quantity'), figure: true, width: 4.8, cell: (f) => grouped(f.quantity) },
        figure('amount', t('order.amount'), 6.6, (f) => f.amount),
        figure('commission', t('order.commission'), 5.6, (f) => f.commission),
        figure('stamp', t('order.stamp'), 4, (f) => f.stamp),
        figure('transfer', t('order.transfer'), 4.4, (f) => f.transfer),
        { key: 'id', head: '', spare: true, cell: (f) => <span className="dim">{f.trade_id}</span> },
      ]}
    />
  );
}
