//! Stores on real files.

mod derived;
mod owned;
