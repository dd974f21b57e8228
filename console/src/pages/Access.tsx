// Who may come in and what they may do, for those who look over others.

import type { ReactNode } from 'react';

import { Tabs } from '../parts/oversight';
import { usePrefs } from '../prefs';
import { usePath } from '../router';
import { People } from './access/People';
import { OnePerson } from './access/Person';
import { Matrix, PolicyTexts } from './access/Policies';
import { Resets } from './access/Resets';
import { Reviews } from './access/Reviews';
import { RoleChanges } from './access/RoleChanges';

const TABS = [
  ['/access', 'acc.people'],
  ['/access/changes', 'acc.changes'],
  ['/access/resets', 'sec.resets'],
  ['/access/reviews', 'acc.reviews'],
  ['/access/roles', 'acc.matrix'],
  ['/access/policy', 'acc.policy'],
] as const;

export default function Access(): ReactNode {
  const { t } = usePrefs();
  const [, , tab = '', id = ''] = usePath().split('/');
  const person = (tab === 'user' || tab === 'partner') && /^\d{1,18}$/.test(id);
  return (
    <div className="page oversight access">
      <h1 className="sr">{t('nav.access')}</h1>
      <Tabs label={t('nav.access')} tabs={TABS} here={tab === '' || person ? '/access' : `/access/${tab}`} />
      {person ? (
        <OnePerson key={id} id={id} partner={tab === 'partner'} />
      ) : tab === 'changes' ? (
        <RoleChanges />
      ) : tab === 'resets' ? (
        <Resets />
      ) : tab === 'reviews' ? (
        <Reviews id={id} />
      ) : tab === 'roles' ? (
        <Matrix />
      ) : tab === 'policy' ? (
        <PolicyTexts />
      ) : (
        <People />
      )}
    </div>
  );
}
