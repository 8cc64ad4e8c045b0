//! A configuration file of any text.

use std::io::Write as _;

/// It is a configuration, or it is refused with messages that name their place in it.
pub fn config_file(data: &[u8]) {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().expect("there is room for a file");
    file.write_all(data).expect("there is room for a file");
    if let Err(problems) = trunkline::check_config(file.path()) {
        assert!(!problems.trim().is_empty(), "a refusal says why");
        let name = file.path().display().to_string();
        for line in problems.lines() {
            assert!(line.contains(&name) || line.contains("the configuration"), "no place in: {line}");
        }
    }
}
