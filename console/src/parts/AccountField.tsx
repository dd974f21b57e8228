import { useEffect, useId, useMemo, useState, type ReactNode } from 'react';

import { accounts } from '../api';
import { useLoad } from '../hooks';
import { useSession } from '../session';

/** Accounts that this person may choose from: their own, or the first ones that the server lists for staff. */
export function useAccountChoices(): string[] {
  const { me, staff } = useSession();
  const ask = staff && me.accounts.length === 0;
  const listed = useLoad(
    (signal) => (ask ? accounts({ limit: 200 }, signal) : Promise.resolve(undefined)),
    `accounts|${ask}`,
  );
  return useMemo(
    () => (me.accounts.length > 0 ? me.accounts : (listed.data?.rows ?? []).map((a) => a.account)),
    [me, listed.data],
  );
}

/** An account by its number: taken when it is one of the choices, or when the person is done with typing. */
export function AccountField({
  value,
  onChange,
  choices,
  label,
}: {
  value: string;
  onChange: (account: string) => void;
  choices: string[];
  label: string;
}): ReactNode {
  const id = useId();
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const take = (text: string): void => {
    if (text && text !== value) onChange(text);
    else if (!text) setTyped(value);
  };
  return (
    <label>
      {label}
      <input
        name="account"
        list={id}
        value={typed}
        inputMode="numeric"
        maxLength={18}
        onChange={(e) => {
          const text = e.target.value.replace(/\D/g, '');
          setTyped(text);
          // A choice from the list comes whole, typing comes digit by digit.
          const chosen = !('inputType' in e.nativeEvent) || e.nativeEvent.inputType === 'insertReplacementText';
          if (chosen && choices.includes(text)) take(text);
        }}
        onBlur={() => take(typed)}
        onKeyDown={(e) => {
          if (e.key !== 'Enter') return;
          e.preventDefault();
          take(typed);
        }}
      />
      <datalist id={id}>
        {choices.map((a) => (
          <option key={a} value={a} />
        ))}
      </datalist>
    </label>
  );
}
