//! The ready file: it appears whole, or not at all.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

/// Removes a file that an earlier start left behind.
pub(crate) fn clear(file: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove the old ready file {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// Writes what clients need to know beside the file and gives it its name.
pub(crate) fn write(file: &Path, told: &serde_json::Value) -> anyhow::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = Path::new(&name);
    let text = told.to_string();
    let written = (|| {
        let mut out = std::fs::File::create(temporary)?;
        writeln!(out, "{text}")?;
        std::fs::rename(temporary, file)
    })();
    written.with_context(|| format!("write the ready file {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_whole_and_nothing_is_left_beside_it() {
        let folder = std::env::temp_dir().join(format!("heng-ready-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("ready.json");
        clear(&file).expect("nothing to remove");
        write(&file, &serde_json::json!({ "http": "http://127.0.0.1:5" })).expect("it is written");
        assert_eq!(std::fs::read_to_string(&file).expect("a file"), "{\"http\":\"http://127.0.0.1:5\"}\n");
        assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 1);
        clear(&file).expect("it is removed");
        assert!(!file.exists());
        std::fs::remove_dir_all(&folder).expect("the folder is removed");
        assert!(write(&folder.join("none/ready.json"), &serde_json::json!({})).is_err());
    }
}
