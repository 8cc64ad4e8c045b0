//! Secrets that lie in files: `token_file` beside `token`, and systemd's credentials folder for both.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::problem::Problem;
use super::schema::Config;

/// The folder in which systemd puts the files of `LoadCredential=`.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Reads the files. `place` says where a key was set.
pub(super) fn read(
    config: &mut Config,
    credentials: Option<&str>,
    place: impl Fn(&str) -> String,
) -> Vec<Problem> {
    let folder = credentials.map(Path::new);
    let mut problems = Vec::new();
    let server = &mut config.server;
    let pairs = [
        ("server.token", "token", &mut server.token, &server.token_file),
        ("server.basic.password", "basic_password", &mut server.basic.password, &server.basic.password_file),
    ];
    for (path, credential, secret, file) in pairs {
        let file_key = format!("{path}_file");
        let found = match (secret.is_some(), file) {
            (true, Some(_)) => {
                Err(Problem::new(place(&file_key), format!("{path} and {file_key} are both set; keep one")))
            }
            (true, None) => Ok(None),
            (false, Some(file)) => {
                from_file(file).map(Some).map_err(|why| Problem::new(place(&file_key), why))
            }
            (false, None) => {
                match folder.map(|folder| folder.join(credential)).filter(|file| file.exists()) {
                    Some(file) => {
                        from_file(&file).map(Some).map_err(|why| Problem::new(format!("${CREDENTIALS}"), why))
                    }
                    None => Ok(None),
                }
            }
        };
        match found {
            Ok(Some(read)) => *secret = Some(read),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    problems
}

fn from_file(file: &PathBuf) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("the file {} can't be read: {error}", file.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(format!("the file {} is empty", file.display()));
    }
    Ok(SecretString::from(text))
}
