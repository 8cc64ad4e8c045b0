//! Secrets that lie in files: `token_file` beside `token`, `key_file` beside `key`, and systemd's credentials folder
//! for all of them.

use std::path::Path;

use providers::{Api, VendorTable};
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
    if let Some(folder) = folder {
        imply_vendors(&mut config.vendors, folder);
    }
    let server = &mut config.server;
    let mut slots = vec![
        Slot {
            path: "server.token".to_owned(),
            credential: "token".to_owned(),
            secret: &mut server.token,
            file: server.token_file.as_deref(),
        },
        Slot {
            path: "server.basic.password".to_owned(),
            credential: "basic_password".to_owned(),
            secret: &mut server.basic.password,
            file: server.basic.password_file.as_deref(),
        },
        Slot {
            path: "twilio.auth_token".to_owned(),
            credential: "twilio_auth_token".to_owned(),
            secret: &mut config.twilio.auth_token,
            file: config.twilio.auth_token_file.as_deref(),
        },
        Slot {
            path: "twilio.api_secret".to_owned(),
            credential: "twilio_api_secret".to_owned(),
            secret: &mut config.twilio.api_secret,
            file: config.twilio.api_secret_file.as_deref(),
        },
        Slot {
            path: "exotel.api_token".to_owned(),
            credential: "exotel_api_token".to_owned(),
            secret: &mut config.exotel.api_token,
            file: config.exotel.api_token_file.as_deref(),
        },
        Slot {
            path: "database.url".to_owned(),
            credential: "database_url".to_owned(),
            secret: &mut config.database.url,
            file: config.database.url_file.as_deref(),
        },
        Slot {
            path: "recording.secret_access_key".to_owned(),
            credential: "recording_secret_access_key".to_owned(),
            secret: &mut config.recording.secret_access_key,
            file: config.recording.secret_access_key_file.as_deref(),
        },
        Slot {
            path: "alerts.webhook_secret".to_owned(),
            credential: "alerts_webhook_secret".to_owned(),
            secret: &mut config.alerts.webhook_secret,
            file: config.alerts.webhook_secret_file.as_deref(),
        },
    ];
    slots.extend(config.vendors.iter_mut().map(|(name, vendor)| Slot {
        path: format!("vendors.{name}.key"),
        credential: format!("{name}_key"),
        secret: &mut vendor.key,
        file: vendor.key_file.as_deref(),
    }));
    for slot in slots {
        if let Err(problem) = slot.fill(folder, &place) {
            problems.push(problem);
        }
    }
    problems
}

/// A vendor whose key lies in the folder needs no table, and Google's account needs no key in one.
fn imply_vendors(vendors: &mut VendorTable, folder: &Path) {
    for api in Api::ALL {
        if folder.join(format!("{}_key", api.as_str())).exists() {
            vendors.entry(api.as_str().to_owned()).or_default();
        }
    }
    let account = folder.join("google_credentials");
    if account.exists() {
        let google = vendors.entry(Api::Google.as_str().to_owned()).or_default();
        google.credentials_file.get_or_insert(account);
    }
}

/// A secret and where it may come from.
struct Slot<'a> {
    path: String,
    credential: String,
    secret: &'a mut Option<SecretString>,
    file: Option<&'a Path>,
}

impl Slot<'_> {
    fn fill(self, folder: Option<&Path>, place: impl Fn(&str) -> String) -> Result<(), Problem> {
        let Self { path, credential, secret, file } = self;
        let file_key = format!("{path}_file");
        let found = match (secret.is_some(), file) {
            (true, Some(_)) => {
                let what = format!("{path} and {file_key} are both set; keep one");
                return Err(Problem::new(place(&file_key), what));
            }
            (true, None) => None,
            (false, Some(file)) => Some(from_file(file).map_err(|why| Problem::new(place(&file_key), why))?),
            (false, None) => {
                match folder.map(|folder| folder.join(credential)).filter(|file| file.exists()) {
                    Some(file) => {
                        Some(from_file(&file).map_err(|why| Problem::new(format!("${CREDENTIALS}"), why))?)
                    }
                    None => None,
                }
            }
        };
        if let Some(found) = found {
            *secret = Some(found);
        }
        Ok(())
    }
}

fn from_file(file: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("the file {} can't be read: {error}", file.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(format!("the file {} is empty", file.display()));
    }
    Ok(SecretString::from(text))
}
