//! Files are made in the background, a few at once. A stop interrupts them; the next start makes them anew.

use std::sync::{Arc, Weak};
use std::time::Duration;

use heng_security::privacy::Category;

use super::file::{CsvFile, hashes};
use super::rows::{self, ExportRow, State};
use super::watermark::Mark;
use super::{BYTES_MAX, KEPT_NANOS, ROWS_MAX};
use crate::error::{ComplianceError, Result};
use crate::service::Compliance;

/// Rows that a source is asked for at once.
const PAGE: u32 = 500;
/// How often exports are looked at whose time is over.
const HOUSE: Duration = Duration::from_secs(60);

/// Makes the file of an export that was approved.
pub(super) fn begin(service: &Arc<Compliance>, number: u64) {
    let (service, running) = (Arc::downgrade(service), Arc::clone(&service.exports.running));
    tokio::spawn(async move {
        let Ok(_turn) = running.acquire_owned().await else { return };
        let Some(service) = service.upgrade() else { return };
        let made = service.make_export(number).await;
        service.exports.set_progress(number, None);
        // What a stop interrupts is made anew by the next start.
        if let Err(error) = made.or_else(|error| if service.is_stopped() { Ok(()) } else { Err(error) }) {
            tracing::error!(%error, number, "make the file of an export");
            if let Err(error) = service.fail_export(number, &error).await {
                tracing::error!(%error, number, "note that an export failed");
            }
        }
    });
}

/// Looks after files as long as the service lives.
pub(super) async fn keep_house(service: Weak<Compliance>) {
    let mut ticks = tokio::time::interval(HOUSE);
    loop {
        ticks.tick().await;
        let Some(service) = service.upgrade().filter(|service| !service.is_stopped()) else { return };
        if let Err(error) = service.end_exports().await {
            tracing::warn!(%error, "end exports");
        }
    }
}

impl Compliance {
    async fn make_export(&self, number: u64) -> Result<()> {
        let mut row = self.export(number).await?;
        let (bytes, count) = self.export_bytes(&row).await?;
        (row.rows, row.bytes) = (count, bytes.len() as u64);
        (row.sha256, row.sm3) = hashes(&bytes);
        let kept = self.kept();
        let written = tokio::task::spawn_blocking(move || kept.write(number, &bytes)).await;
        written.map_err(|failure| ComplianceError::Damaged(format!("the file was not written: {failure}")))??;
        let now = self.clock.now();
        (row.state, row.ready_at, row.ends_at) = (State::Ready, Some(now), Some(now.saturating_add(KEPT_NANOS)));
        // First the trail: a file that can be had is in it.
        let resource = format!("export:{number} sha256:{} sm3:{}", row.sha256, row.sm3);
        let grade = if row.masked { Category::Trail } else { Category::SignInName }.grade();
        let detail = format!("{}: {count} rows, grade {} of {}", row.kind, grade.level, grade.standard);
        self.note(None, "export.made", resource, &detail).await?;
        self.keep(&row).await
    }

    async fn keep(&self, row: &ExportRow) -> Result<()> {
        let mut change = self.store.begin().await?;
        rows::update(change.connection(), row).await?;
        Ok(change.commit().await?)
    }

    async fn fail_export(&self, number: u64, error: &ComplianceError) -> Result<()> {
        let trouble = match error {
            ComplianceError::Clash(told) => told.clone(),
            _ => "it failed; the log tells why".to_owned(),
        };
        let row = self.export(number).await?;
        self.note(None, "export.failed", format!("export:{number}"), &trouble).await?;
        self.keep(&ExportRow { state: State::Failed, trouble, ..row }).await
    }

    /// The bytes of a file, and how many rows it has.
    async fn export_bytes(&self, row: &ExportRow) -> Result<(Vec<u8>, u64)> {
        let gone = || ComplianceError::Clash("nobody here has this kind of export any more".into());
        let (kind, source) = self.exports.kind(&row.kind).ok_or_else(gone)?;
        let mark = Mark::of(&self.kept().mark(row)?)
            .ok_or_else(|| ComplianceError::Damaged("an export has no mark".into()))?;
        let ask = row.ask();
        let about = source.count(&ask).await.map_err(ComplianceError::Feed)?;
        let mut file = CsvFile::begin(row, mark, kind.columns);
        let (mut count, mut after) = (0_u64, String::new());
        loop {
            let page = source.rows(&ask, &after, PAGE).await.map_err(ComplianceError::Feed)?;
            for cells in &page.rows {
                assert_eq!(cells.len(), kind.columns.len(), "a text for every column");
                file.put(cells);
            }
            count += page.rows.len() as u64;
            if count > ROWS_MAX || file.len() > BYTES_MAX {
                let told = format!("more than {ROWS_MAX} rows or {} MiB: ask for less", BYTES_MAX >> 20);
                return Err(ComplianceError::Clash(told));
            }
            self.exports.set_progress(row.number, Some((count, about)));
            match page.next {
                Some(next) if next != after => after = next,
                _ => return Ok((file.end(), count)),
            }
            if self.is_stopped() {
                return Err(ComplianceError::Damaged("the program stops".into()));
            }
        }
    }
}
