//! What every field of this service's answers is, and so how grave its loss would be. A field that is not here fails a
//! test.

use heng_security::privacy::Category::{self, Account, FreeText, Internal, Public, Trail};
use heng_transport::FieldGrade;

/// Fields by name, whatever they stand in; those of one schema alone have its name before theirs.
const FIELDS: &[(&str, Category)] = &[
    ("account", Account),
    ("account_id", Account),
    ("action", Trail),
    ("algorithm", Public),
    ("approved_at", Trail),
    ("approved_by", Account),
    ("as_of_sequence", Public),
    ("at", Public),
    ("authority", Trail),
    ("basis", Trail),
    ("bom", Internal),
    ("bytes", Internal),
    ("checkpoint", Public),
    ("chinese", Public),
    ("class", Public),
    ("commitment", Public),
    ("consistency", Public),
    ("created_at", Public),
    ("decided_at", Trail),
    ("decided_by", Account),
    ("destructions", Trail),
    ("detail", Internal),
    ("earlier", Public),
    ("ends_at", Trail),
    ("english", Public),
    ("export", Trail),
    ("exports", Trail),
    ("filter", Trail),
    ("format", Public),
    ("found", Trail),
    ("from", Trail),
    ("holds", Trail),
    ("id", Trail),
    ("index", Public),
    ("keys", Public),
    ("keys_destroyed", Trail),
    ("kind", Internal),
    ("lag_ms", Internal),
    ("leaves", Public),
    ("looked_at", Internal),
    ("marks", Internal),
    ("masked", Internal),
    ("matches", Internal),
    ("name", Public),
    ("next_before", Internal),
    ("of", Internal),
    ("origin", Public),
    ("placed_at", Trail),
    ("placed_by", Account),
    ("principal", Account),
    ("progress", Internal),
    ("proof", Public),
    ("ready_at", Trail),
    ("reason", FreeText),
    ("record", Category::Order),
    ("release_reason", FreeText),
    ("released_at", Trail),
    ("released_by", Account),
    ("requested_at", Trail),
    ("requested_by", Account),
    ("retention", Public),
    ("retired", Public),
    ("retired_at", Public),
    ("root", Public),
    ("rows", Internal),
    ("salt", Category::Order),
    ("sha256", Internal),
    ("shown", Category::Order),
    ("size", Public),
    ("sm3", Internal),
    ("sm3_proof", Public),
    ("sm3_root", Public),
    ("source", Public),
    ("state", Trail),
    ("through_year", Trail),
    ("to", Trail),
    ("trouble", Internal),
    ("verifier", Public),
    ("well", Internal),
    ("witnesses", Public),
    ("years", Public),
];

/// Fields that stand as masks for callers who may not see them.
const MASKED: &[&str] = &["Export.reason", "LegalHold.reason", "LegalHold.release_reason"];

/// The grade of a field of this service.
pub(crate) fn grade(schema: &str, property: &str) -> Option<FieldGrade> {
    let known = FIELDS.iter().find(|(name, _)| *name == property);
    let grade = known.map(|(_, category)| category.grade())?;
    let masked = MASKED.contains(&format!("{schema}.{property}").as_str());
    Some(FieldGrade { standard: grade.standard, level: grade.level, masked })
}
