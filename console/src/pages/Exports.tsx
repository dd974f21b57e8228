// Data that leaves the system, legal holds, and from which export a leaked file came.

import type { ReactNode } from 'react';

import { Tabs, useCan } from '../parts/oversight';
import { usePrefs } from '../prefs';
import { usePath } from '../router';
import { Files } from './exports/Files';
import { Holds } from './exports/Holds';
import { Leaks } from './exports/Leaks';

export default function Exports(): ReactNode {
  const { t } = usePrefs();
  const can = useCan();
  const tabs = [
    ...(can('export.request') || can('export.decide') ? [['/exports', 'exp.files'] as const] : []),
    ...(can('audit.read') || can('hold.write') ? [['/exports/holds', 'exp.holds'] as const] : []),
    ...(can('audit.read') ? [['/exports/leaks', 'exp.leaks'] as const] : []),
  ];
  const tab = usePath().split('/')[2] ?? '';
  const here = tabs.find(([to]) => to === `/exports${tab ? `/${tab}` : ''}`)?.[0] ?? tabs[0]?.[0];
  return (
    <div className="page oversight exports">
      <h1 className="sr">{t('nav.exports')}</h1>
      <Tabs label={t('nav.exports')} tabs={tabs} here={here ?? ''} />
      {here === '/exports/leaks' ? <Leaks /> : here === '/exports/holds' ? <Holds /> : <Files />}
    </div>
  );
}
