"""What was done and how it is kept: audit, evidence, exports, legal holds, keys.

Made from ``_async/oversight.py`` by ``tools/unasync.py``; edit that file instead.
"""

from __future__ import annotations

from typing import Optional

from .. import models as m
from .._wire import Id, _given
from .requests import Requests


class OversightOperations(Requests):
    """Audit, evidence, exports, legal holds, keys."""

    def audit(
        self, *, limit: Optional[int] = None, before: Optional[Id] = None, principal: Optional[Id] = None,
        action: Optional[str] = None, outcome: Optional[str] = None, name: Optional[str] = None,
        account: Optional[Id] = None, address: Optional[str] = None, from_time: Optional[str] = None,
        to_time: Optional[str] = None, text: Optional[str] = None,
    ) -> m.AuditPage:
        """The audit trail, newest first. Times are days (``2026-07-06``) or seconds (``2026-07-06T09:30:00``)."""
        query = {
            "limit": limit, "before": before, "principal": principal, "action": action, "outcome": outcome,
            "name": name, "account": account, "address": address, "from": from_time, "to": to_time, "text": text,
        }
        return self._get(m.AuditPage, "/v1/audit", query)

    def audit_proof(self, number: Id) -> m.EvidenceBundle:
        """The proof that an action of the audit trail stands in the evidence log."""
        return self._get(m.EvidenceBundle, f"/v1/audit/{number}/proof")

    def policies(self) -> m.Policies:
        """Who may do what."""
        return self._get(m.Policies, "/v1/policies")

    # ----------------------------------------------------------------------------------------------------------------
    # The evidence log

    def evidence(self) -> m.Evidence:
        """How the evidence log is doing: size, roots, lag, witnesses."""
        return self._get(m.Evidence, "/v1/evidence")

    def evidence_checkpoint(self, *, witnessed: Optional[bool] = None) -> str:
        """The newest checkpoint, a signed note (C2SP); ``witnessed``: the newest that witnesses have cosigned."""
        note = self._get_file("text/plain", "/v1/evidence/checkpoint", _given(witnessed=witnessed))
        return note.decode()

    def evidence_keys(self) -> m.EvidenceKeys:
        """Public keys of the log and its witnesses."""
        return self._get(m.EvidenceKeys, "/v1/evidence/keys")

    def evidence_proof(
        self, *, account: Optional[Id] = None, order: Optional[Id] = None, from_sequence: Optional[int] = None,
        to_sequence: Optional[int] = None, limit: Optional[int] = None, since: Optional[int] = None,
        witnessed: Optional[bool] = None,
    ) -> m.EvidenceBundle:
        """Records with their salts and proofs, by account, order or command.

        ``since`` is the size of an earlier tree with which this one is to be proven to begin.
        ``json.dumps(dataclasses.asdict(bundle))`` is what ``heng evidence verify`` reads.
        """
        query = {
            "account": account, "order": order, "from": from_sequence, "to": to_sequence, "limit": limit,
            "since": since, "witnessed": witnessed,
        }
        return self._get(m.EvidenceBundle, "/v1/evidence/proof", query)

    def destructions(self) -> m.DestructionList:
        """Lawful deletions from the evidence log, asked for and done, newest first."""
        return self._get(m.DestructionList, "/v1/evidence/destructions")

    def request_destruction(self, account: Id, *, through_year: int, basis: str) -> m.Destruction:
        """Asks for the lawful deletion of a client's records up to a year; another person approves it.

        ``basis`` is ``retention-ended`` or ``test-account``. The same request, before it is approved, is the same.
        """
        body = {"account_id": str(account), "through_year": through_year, "basis": basis}
        return self._post(m.Destruction, "/v1/evidence/destructions", body, repeatable=True)

    def approve_destruction(self, destruction_id: Id) -> m.Destruction:
        """Approves a lawful deletion that somebody else asked for, and does it. It cannot be undone."""
        return self._post(m.Destruction, f"/v1/evidence/destructions/{destruction_id}/approval")

    # ----------------------------------------------------------------------------------------------------------------
    # Exports

    def exports(
        self, *, state: Optional[str] = None, before: Optional[Id] = None, limit: Optional[int] = None
    ) -> m.ExportPage:
        """Own exports, newest first; whoever decides on exports sees all."""
        return self._get(m.ExportPage, "/v1/exports", _given(state=state, before=before, limit=limit))

    def request_export(
        self, kind: str, *, reason: str, from_time: Optional[str] = None, to_time: Optional[str] = None,
        account: Optional[Id] = None, principal: Optional[Id] = None, action: Optional[str] = None,
        masked: bool = True, bom: bool = False,
    ) -> m.Export:
        """Asks for data (``audit``, ``users``, ``orders`` or ``fills``) as a file; another person decides."""
        rows = {
            "from": from_time, "to": to_time, "account": None if account is None else str(account),
            "principal": None if principal is None else str(principal), "action": action,
        }
        body = {"kind": kind, "filter": _given(**rows), "reason": reason, "masked": masked, "bom": bom}
        return self._post(m.Export, "/v1/exports", body)

    def export(self, export_id: Id) -> m.Export:
        """One export, with its progress."""
        return self._get(m.Export, f"/v1/exports/{export_id}")

    def decide_export(self, export_id: Id, decision: str) -> m.Export:
        """Decides (``approve`` or ``refuse``) on an export that somebody else asked for."""
        return self._post(m.Export, f"/v1/exports/{export_id}/decision", {"decision": decision})

    def download_export(self, export_id: Id) -> bytes:
        """The file (CSV in UTF-8), for whoever asked for it; ``sha256`` of the export is over these bytes."""
        return self._get_file("text/csv", f"/v1/exports/{export_id}/file")

    def find_watermark(self, text: str) -> m.Watermark:
        """From which export a piece of a file that was found elsewhere came."""
        return self._post(m.Watermark, "/v1/exports/watermark", {"text": text}, repeatable=True)

    # ----------------------------------------------------------------------------------------------------------------
    # Legal holds, keys

    def legal_holds(
        self, *, account: Optional[Id] = None, state: Optional[str] = None, before: Optional[Id] = None,
        limit: Optional[int] = None,
    ) -> m.LegalHoldPage:
        """Legal holds, newest first; ``state`` is ``held`` or ``released``."""
        query = _given(account=account, state=state, before=before, limit=limit)
        return self._get(m.LegalHoldPage, "/v1/legal-holds", query)

    def place_legal_hold(self, account: Id, *, reason: str, authority: str) -> m.LegalHold:
        """Puts an account on hold: nothing of it is deleted until it is released. The same again is the same."""
        body = {"account_id": str(account), "reason": reason, "authority": authority}
        return self._post(m.LegalHold, "/v1/legal-holds", body, repeatable=True)

    def release_legal_hold(self, hold_id: Id, *, reason: str) -> m.LegalHold:
        """Releases a hold that somebody else put on."""
        return self._post(m.LegalHold, f"/v1/legal-holds/{hold_id}/release", {"reason": reason})

    def storage_keys(self) -> m.StorageKeys:
        """The key ring that seals what the process stores; secrets are never told."""
        return self._get(m.StorageKeys, "/v1/keys")
