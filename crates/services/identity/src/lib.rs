//! Sign-in, sessions, keys and policy.
