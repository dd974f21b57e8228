//! The one binary as a library, so that tests and fuzz targets can reach its parsers.
