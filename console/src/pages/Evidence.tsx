// The evidence log: its state, lawful deletions, and proofs that are checked in this browser.

import type { ReactNode } from 'react';

import { Tabs, useCan } from '../parts/oversight';
import { usePrefs } from '../prefs';
import { usePath } from '../router';
import { Deletions } from './evidence/Deletions';
import { Proofs } from './evidence/Proofs';
import { LogState } from './evidence/State';

export default function Evidence(): ReactNode {
  const { t } = usePrefs();
  const can = useCan();
  const tabs = [
    ...(can('system.read') ? [['/evidence', 'evi.state'] as const] : []),
    ['/evidence/proof', 'evi.proof'] as const,
    ...(can('evidence.destroy') ? [['/evidence/deletion', 'evi.deletion'] as const] : []),
  ];
  const tab = usePath().split('/')[2] ?? '';
  const here = tabs.find(([to]) => to === `/evidence${tab ? `/${tab}` : ''}`)?.[0] ?? tabs[0]?.[0];
  return (
    <div className="page oversight evidence">
      <h1 className="sr">{t('nav.evidence')}</h1>
      <Tabs label={t('nav.evidence')} tabs={tabs} here={here ?? ''} />
      {here === '/evidence' ? <LogState /> : here === '/evidence/deletion' ? <Deletions /> : <Proofs />}
    </div>
  );
}
