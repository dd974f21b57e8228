//! Names that clients write: actions and roles, as the document tells them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

// `tt` and not `literal`: the derive of the schema does not see a name inside of a group that the macro makes.
macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$own:meta])* $variant:ident = $text:tt,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$own])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// The name.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$variant),+];
        }
    };
}

names! {
    /// What may be done, and what a credential may be narrowed to.
    ActionName {
        OrderPlace = "order.place",
        OrderCancel = "order.cancel",
        OrderRead = "order.read",
        ParentPlace = "parent.place",
        ParentControl = "parent.control",
        AccountRead = "account.read",
        FillRead = "fill.read",
        MarketRead = "market.read",
        MarketStream = "market.stream",
        DropcopyRead = "dropcopy.read",
        SystemRead = "system.read",
        SystemLogs = "system.logs",
        AuditRead = "audit.read",
        UserRead = "user.read",
        UserWrite = "user.write",
        KeyRead = "key.read",
        KeyWrite = "key.write",
        SessionRead = "session.read",
        SessionWrite = "session.write",
        PartnerRead = "partner.read",
        PartnerWrite = "partner.write",
        KillSwitch = "kill.switch",
        ClientRead = "client.read",
        EvidenceRead = "evidence.read",
        EvidenceDestroy = "evidence.destroy",
        RolePropose = "role.propose",
        RoleDecide = "role.decide",
        ReviewWrite = "review.write",
        PersonalRead = "personal.read",
        ExportRequest = "export.request",
        ExportDecide = "export.decide",
        ExportReveal = "export.reveal",
        HoldWrite = "hold.write",
    }
}

names! {
    /// Roles of users.
    RoleName {
        Client = "client",
        Trader = "trader",
        ServiceDesk = "service-desk",
        RiskOfficer = "risk-officer",
        Operator = "operator",
        Admin = "admin",
        Auditor = "auditor",
    }
}

/// An account's id: digits without a leading zero; or `*` alone for all.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema, PartialEq, Eq)]
#[schema(pattern = "^(\\*|[1-9][0-9]{0,17})$")]
pub(crate) struct AccountText(pub(crate) String);

/// The names as texts.
pub(crate) fn texts(scopes: &[ActionName]) -> Vec<String> {
    scopes.iter().map(|scope| scope.name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{ACTIONS, ROLES};

    #[test]
    fn the_names_are_those_of_the_policy() {
        let actions: Vec<&str> = ActionName::ALL.iter().map(|action| action.name()).collect();
        assert_eq!(actions, ACTIONS);
        let roles: Vec<&str> = RoleName::ALL.iter().map(|role| role.name()).collect();
        let known: Vec<&str> = ROLES.iter().map(|(name, _)| *name).filter(|name| *name != "partner").collect();
        assert_eq!(roles, known, "a user is no partner");
    }

    #[test]
    fn the_document_tells_the_names_that_are_taken() {
        let told = |schema| serde_json::to_value(schema).expect("a schema is plain data")["enum"].clone();
        assert_eq!(told(<ActionName as utoipa::PartialSchema>::schema()), serde_json::json!(ACTIONS.as_slice()));
        let roles: Vec<&str> = RoleName::ALL.iter().map(|role| role.name()).collect();
        assert_eq!(told(<RoleName as utoipa::PartialSchema>::schema()), serde_json::json!(roles));
    }
}
