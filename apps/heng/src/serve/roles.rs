//! The roles of the broker: what one process may be.

use std::collections::BTreeSet;
use std::str::FromStr;

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Journal, engine and event log.
    Core,
    /// Order entry and queries, FIX, execution.
    Trading,
    /// Depth, push, candles, history.
    MarketData,
    /// Sign-in, keys, policy, audit.
    Identity,
    /// Evidence log, retention.
    Compliance,
}

/// A row of the table.
pub(crate) struct RoleRow {
    pub(crate) role: Role,
    pub(crate) name: &'static str,
    pub(crate) name_zh: &'static str,
    pub(crate) owns: &'static str,
}

/// Every role that exists today.
pub(crate) const ROLES: [RoleRow; 5] = [
    RoleRow {
        role: Role::Core,
        name: "core",
        name_zh: "交易核心",
        owns: "journal, engine and event log of the partition",
    },
    RoleRow {
        role: Role::Trading,
        name: "trading",
        name_zh: "订单处理",
        owns: "order entry and queries, FIX, smart execution, drop copy",
    },
    RoleRow {
        role: Role::MarketData,
        name: "marketdata",
        name_zh: "行情服务",
        owns: "depth, push, candles, fund flow, history",
    },
    RoleRow {
        role: Role::Identity,
        name: "identity",
        name_zh: "身份权限",
        owns: "sign-in, sessions, keys, policy, audit",
    },
    RoleRow {
        role: Role::Compliance,
        name: "compliance",
        name_zh: "监管报送",
        owns: "evidence log, retention, lawful deletion",
    },
];

/// What one process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self(ROLES.iter().map(|row| row.role).collect())
    }

    /// The role whose certificate the process shows.
    #[must_use]
    pub fn first(&self) -> Role {
        *self.0.first().expect("a process has a role")
    }

    /// Whether `role` is among them.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether any of them opens doors.
    #[must_use]
    pub fn has_doors(&self) -> bool {
        self.0.iter().any(|role| *role != Role::Core)
    }
}

impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |name: &str| {
            let row = ROLES.iter().find(|row| row.name == name);
            let known = || ROLES.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
            row.map(|row| row.role).ok_or_else(|| format!("there is no role {name:?}; known are: {}, all", known()))
        };
        if text == "all" {
            return Ok(Self::all());
        }
        let roles = text.split(',').map(named).collect::<Result<BTreeSet<_>, _>>()?;
        // The doors of a process share one policy and one HTTP address.
        let doors =
            [Role::Trading, Role::MarketData, Role::Identity, Role::Compliance].map(|role| roles.contains(&role));
        if doors.contains(&true) && doors.contains(&false) {
            return Err(
                "the roles trading, marketdata, identity and compliance run in one process today: name all four".into(),
            );
        }
        Ok(Self(roles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_by_name() {
        assert_eq!("all".parse::<Roles>(), Ok(Roles::all()));
        let core: Roles = "core".parse().expect("a role");
        assert!(core.has(Role::Core) && !core.has_doors());
        let doors: Roles = "trading,marketdata,identity,compliance".parse().expect("roles");
        assert!(!doors.has(Role::Core) && doors.has_doors());
        assert!("core,clearing".parse::<Roles>().expect_err("none").contains("\"clearing\""));
        assert!("trading".parse::<Roles>().expect_err("alone").contains("name all four"));
    }
}
