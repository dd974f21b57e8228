//! What every field of this service's answers is, and so how grave its loss would be. A field that is not here fails a
//! test.

use heng_security::privacy::Category::{
    self, Account, Device, FreeText, Internal, NetworkAddress, Public, Secret, SignInName, Trail,
};
use heng_transport::FieldGrade;

/// Fields by name, whatever they stand in; those of one schema alone have its name before theirs.
const FIELDS: &[(&str, Category)] = &[
    ("access_token", Secret),
    ("accounts", Account),
    ("action", Trail),
    ("actions", Internal),
    ("active", Internal),
    ("address", NetworkAddress),
    ("agreed", Trail),
    ("asked_at", Trail),
    ("asked_by", Account),
    ("at", Trail),
    ("begun_at", Trail),
    ("begun_by", Account),
    ("changed_at", Trail),
    ("changes", Trail),
    ("client_id", SignInName),
    ("client_secret", Secret),
    ("code", Secret),
    ("codes", Secret),
    ("confirmed_at", Trail),
    ("consents", Trail),
    ("created_at", Trail),
    ("credential", Trail),
    ("current", Internal),
    ("decided_at", Trail),
    ("decided_by", Account),
    ("detail", FreeText),
    ("device", Device),
    ("disabled", Internal),
    ("document", Trail),
    ("due_at", Internal),
    ("en", Trail),
    ("ended", Internal),
    ("error", Public),
    ("error_description", Public),
    ("exp", Internal),
    ("expires_at", Internal),
    ("expires_in", Internal),
    ("factors", Internal),
    ("iat", Internal),
    ("id", Account),
    ("issuer", Internal),
    ("items", Trail),
    ("keys", Trail),
    ("kind", Internal),
    ("language", Trail),
    ("last_used_at", Trail),
    ("leaf", Public),
    ("linked_at", Trail),
    ("linked_by", Account),
    ("means", Trail),
    ("name", SignInName),
    ("networks", Device),
    ("next_after", Internal),
    ("next_before", Internal),
    ("number", Trail),
    ("oidc", Public),
    ("open", Internal),
    ("options", Trail),
    ("origin", Public),
    ("outcome", Trail),
    ("overdue", Internal),
    ("partners", Account),
    ("passkey", Trail),
    ("passkeys", Trail),
    ("password", Secret),
    ("password_change_required", Internal),
    ("place", Device),
    ("policies", Internal),
    ("principal", Account),
    ("proposed_at", Trail),
    ("proposed_by", Account),
    ("reason", FreeText),
    ("recovery_codes", Internal),
    ("recovery_possible", Internal),
    ("resets", Trail),
    ("resource", Trail),
    ("review", Trail),
    ("reviews", Trail),
    ("roles", Internal),
    ("rows", Trail),
    ("scope", Internal),
    ("scopes", Internal),
    ("second_factor_required", Internal),
    ("secret", Secret),
    ("sessions", Trail),
    ("start", Public),
    ("state", Trail),
    ("step_up", Secret),
    ("sub", Account),
    ("subject", SignInName),
    ("text", Trail),
    ("text_sha256", Trail),
    ("times", Trail),
    ("token", Secret),
    ("token_type", Internal),
    ("totp", Internal),
    ("totp_enrolment_required", Internal),
    ("totp_required", Internal),
    ("uri", Secret),
    ("used_at", Trail),
    ("user", Account),
    ("users", Account),
    ("version", Trail),
    ("zh", Trail),
    ("ApiKeyShown.name", FreeText),
    ("KeyMade.name", FreeText),
    ("MethodsAnswer.password", Public),
    ("OidcMethod.name", Public),
    ("PasskeyShown.name", FreeText),
    ("PolicyShown.name", Internal),
    ("PolicyShown.text", Internal),
    ("RoleShown.name", Internal),
];

/// Fields that stand as masks for callers who may not see them.
const MASKED: &[&str] = &[
    "AuditShown.address",
    "AuditShown.detail",
    "AuditShown.name",
    "ConsentShown.address",
    "LinkShown.subject",
    "PartnerShown.client_id",
    "ResetShown.reason",
    "ReviewItemShown.name",
    "RoleChangeShown.reason",
    "SessionShown.address",
    "UserShown.name",
];

/// What a field is.
fn category(schema: &str, property: &str) -> Option<Category> {
    let own = format!("{schema}.{property}");
    let of = |name: &str| FIELDS.iter().find(|(known, _)| *known == name).map(|(_, category)| *category);
    of(&own).or_else(|| of(property))
}

/// The grade of a field of this service.
pub(crate) fn grade(schema: &str, property: &str) -> Option<FieldGrade> {
    let grade = category(schema, property)?.grade();
    let masked = MASKED.contains(&format!("{schema}.{property}").as_str());
    Some(FieldGrade { standard: grade.standard, level: grade.level, masked })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_masked_is_of_a_kind_that_has_a_mask() {
        for name in MASKED {
            let (schema, property) = name.split_once('.').expect("schema and field");
            assert!(category(schema, property).is_some_and(Category::is_masked), "{name}");
        }
        assert_eq!(category("ApiKeyShown", "name"), Some(FreeText));
        assert_eq!(grade("UserShown", "shoe_size"), None);
    }
}
