"""What was done and how it is kept: audit, evidence, exports, legal holds, keys."""

from __future__ import annotations

from typing import Optional

from .. import models as m
from .._wire import Id, _given
from .requests import Requests


class OversightOperations(Requests):
    """Audit, evidence, exports, legal holds, keys."""

    async def audit(
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
        return await self._get(m.AuditPage, "/v1/audit", query)

    async def audit_proof(self, number: Id) -> m.EvidenceBundle:
        """The proof that an action of the audit trail stands in the evidence log."""
        return await self._get(m.EvidenceBundle, f"/v1/audit/{number}/proof")

    async def policies(self) -> m.Policies:
        """Who may do what."""
        return await self._get(m.Policies, "/v1/policies")

    # ----------------------------------------------------------------------------------------------------------------
    # The evidence log

    async def evidence(self) -> m.Evidence:
        """How the evidence log is doing: size, roots, lag, witnesses."""
        return await self._get(m.Evidence, "/v1/evidence")

    async def evidence_checkpoint(self, *, witnessed: Optional[bool] = None) -> str:
        """The newest checkpoint, a signed note (C2SP); ``witnessed``: the newest that witnesses have cosigned."""
        note = await self._get_file("text/plain", "/v1/evidence/checkpoint", _given(witnessed=witnessed))
        return note.decode()

    async def evidence_keys(self) -> m.EvidenceKeys:
        """Public keys of the log and its witnesses."""
        return await self._get(m.EvidenceKeys, "/v1/evidence/keys")

    async def evidence_proof(
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
        return await self._get(m.EvidenceBundle, "/v1/evidence/proof", query)

    async def destructions(self) -> m.DestructionList:
        """Lawful deletions from the evidence log, asked for and done, newest first."""
        return await self._get(m.DestructionList, "/v1/evidence/destructions")

    async def request_destruction(self, account: Id, *, through_year: int, basis: str) -> m.Destruction:
        """Asks for the lawful deletion of a client's records up to a year; another person approves it.

        ``basis`` is ``retention-ended`` or ``test-account``. The same request, before it is approved, is the same.
        """
        body = {"account_id": str(account), "through_year": through_year, "basis": basis}
        return await self._post(m.Destruction, "/v1/evidence/destructions", body, repeatable=True)

    async def approve_destruction(self, destruction_id: Id) -> m.Destruction:
        """Approves a lawful deletion that somebody else asked for, and does it. It cannot be undone."""
        return await self._post(m.Destruction, f"/v1/evidence/destructions/{destruction_id}/approval")

    # ----------------------------------------------------------------------------------------------------------------
    # Exports

    async def exports(
        self, *, state: Optional[str] = None, before: Optional[Id] = None, limit: Optional[int] = None
    ) -> m.ExportPage:
        """Own exports, newest first; whoever decides on exports sees all."""
        return await self._get(m.ExportPage, "/v1/exports", _given(state=state, before=before, limit=limit))

    async def request_export(
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
        return await self._post(m.Export, "/v1/exports", body)

    async def export(self, export_id: Id) -> m.Export:
        """One export, with its progress."""
        return await self._get(m.Export, f"/v1/exports/{export_id}")

    async def decide_export(self, export_id: Id, decision: str) -> m.Export:
        """Decides (``approve`` or ``refuse``) on an export that somebody else asked for."""
        return await self._post(m.Export, f"/v1/exports/{export_id}/decision", {"decision": decision})

    async def download_export(self, export_id: Id) -> bytes:
        """The file (CSV in UTF-8), for whoever asked for it; ``sha256`` of the export is over these bytes."""
        return await self._get_file("text/csv", f"/v1/exports/{export_id}/file")

    async def find_watermark(self, text: str) -> m.Watermark:
        """From which export a piece of a file that was found elsewhere came."""
        return await self._post(m.Watermark, "/v1/exports/watermark", {"text": text}, repeatable=True)

    # ----------------------------------------------------------------------------------------------------------------
    # Legal holds, keys

    async def legal_holds(
        self, *, account: Optional[Id] = None, state: Optional[str] = None, before: Optional[Id] = None,
        limit: Optional[int] = None,
    ) -> m.LegalHoldPage:
        """Legal holds, newest first; ``state`` is ``held`` or ``released``."""
        query = _given(account=account, state=state, before=before, limit=limit)
        return await self._get(m.LegalHoldPage, "/v1/legal-holds", query)

    async def place_legal_hold(self, account: Id, *, reason: str, authority: str) -> m.LegalHold:
        """Puts an account on hold: nothing of it is deleted until it is released. The same again is the same."""
        body = {"account_id": str(account), "reason": reason, "authority": authority}
        return await self._post(m.LegalHold, "/v1/legal-holds", body, repeatable=True)

    async def release_legal_hold(self, hold_id: Id, *, reason: str) -> m.LegalHold:
        """Releases a hold that somebody else put on."""
        return await self._post(m.LegalHold, f"/v1/legal-holds/{hold_id}/release", {"reason": reason})

    async def storage_keys(self) -> m.StorageKeys:
        """The key ring that seals what the process stores; secrets are never told."""
        return await self._get(m.StorageKeys, "/v1/keys")
