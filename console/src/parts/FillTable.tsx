import type { ReactNode } from 'react';

import type { Fill } from '../api';
import { clock, grouped, price as showPrice } from '../format';
import { usePrefs } from '../prefs';
import { SideTag, Table } from './ui';

export function FillTable({ fills }: { fills: Fill[] }): ReactNode {
  const { t } = usePrefs();
  return (
    <Table
      label={t('trade.fills')}
      rows={fills}
      id={(f) => `${f.trade_id ?? ''}-${f.order_id ?? ''}-${f.sequence ?? ''}-${f.side ?? ''}`}
      columns={[
        { key: 'time', head: t('common.time'), width: 6.5, cell: (f) => clock(f.filled_at ?? f.time, 3) },
        ...(fills.some((f) => f.symbol)
          ? [{ key: 'symbol', head: t('market.symbol'), width: 6, cell: (f: Fill) => f.symbol }]
          : []),
        { key: 'side', head: t('trade.side'), width: 3.4, cell: (f) => <SideTag side={f.side} /> },
        { key: 'price', head: t('trade.price'), figure: true, width: 5, cell: (f) => showPrice(f.price) },
        { key: 'quantity', head: t('trade.quantity'), figure: true, width: 5.5, cell: (f) => grouped(f.quantity) },
        { key: 'amount', head: t('order.amount'), figure: true, width: 7.5, cell: (f) => grouped(f.amount) },
        { key: 'commission', head: t('order.commission'), figure: true, width: 6, cell: (f) => grouped(f.commission) },
        { key: 'stamp', head: t('order.stamp'), figure: true, width: 5, cell: (f) => grouped(f.stamp) },
        { key: 'transfer', head: t('order.transfer'), figure: true, width: 5, cell: (f) => grouped(f.transfer) },
        { key: 'id', head: '', cell: (f) => <span className="dim">{f.trade_id}</span> },
      ]}
    />
  );
}
