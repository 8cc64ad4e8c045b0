//! `trunkline keys create|list|revoke`: the API's keys, made beside a running server.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use control::NewKey;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;
use store::{ApiKey, Database, DatabaseOptions, Scope};

use crate::config::{self, Sources};
use crate::failure::{EXIT_CODES, Failure};
use crate::server::tables;
use crate::terminal::{bold, dim, message, say};

/// Make, list and withdraw the API's keys.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline keys create --name crm --scope call
  trunkline keys list
  trunkline keys revoke key_01JD3V6W0Z8Q4T1F5N9R2X7KBM")]
pub(crate) struct KeysCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key. It is shown once, on stdout; what is kept of it can't be turned back into it.
    Create {
        /// Whose it is, or what for.
        #[arg(long)]
        name: String,
        /// What it may do: look at calls, also place and end them, or everything.
        #[arg(long, value_enum)]
        scope: ScopeName,
        #[command(flatten)]
        place: Place,
    },
    /// All keys, oldest first.
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Withdraw a key. It opens nothing from then on.
    Revoke {
        /// Its id, as `keys list` shows it.
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Which tables.
#[derive(Debug, Args)]
struct Place {
    /// The configuration that says where the tables are; without it trunkline.toml, if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeName {
    Read,
    Call,
    Admin,
}

impl KeysCommand {
    pub(crate) fn run(self) -> Result<(), Failure> {
        super::small_runtime()?.block_on(self.act())
    }

    async fn act(self) -> Result<(), Failure> {
        match self.action {
            Action::Create { name, scope, place } => {
                let name = checked(&name)?;
                create(&place.open(Absent::Make).await?, name, scope).await
            }
            Action::List { place, json } => list(&place.open(Absent::Refuse).await?, json).await,
            Action::Revoke { id, place } => revoke(&place.open(Absent::Refuse).await?, id.trim()).await,
        }
    }
}

/// What is done where there are no tables yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    /// A key may be made before the server first starts.
    Make,
    /// Keys that are looked for are somewhere else.
    Refuse,
}

/// A name that can be shown on a line.
fn checked(name: &str) -> Result<&str, Failure> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Failure::usage("--name is 1 to 100 characters"));
    }
    Ok(name)
}

impl Place {
    async fn open(&self, absent: Absent) -> Result<Database, Failure> {
        let sources = Sources::of_process(self.config.as_deref()).flag(
            "data.dir",
            "--data",
            self.data.as_ref().map(|dir| dir.display()),
        );
        let config = config::load(&sources)?.config;
        if let DatabaseOptions::Sqlite { file } = config.tables() {
            if absent == Absent::Make {
                // As the server makes it: nobody else on the machine may look into it.
                let folder = &config.data.dir;
                DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
                    Failure::unavailable(format!(
                        "the data folder {} can't be made: {error}",
                        folder.display()
                    ))
                })?;
            } else if !file.exists() {
                return Err(Failure::failed(format!(
                    "there is no database {} yet; `trunkline keys create` makes one, or give the server's folder with \
                     --data",
                    file.display()
                )));
            }
        }
        tables(&config).await
    }
}

async fn create(database: &Database, name: &str, scope: ScopeName) -> Result<(), Failure> {
    let scope = match scope {
        ScopeName::Read => Scope::Read,
        ScopeName::Call => Scope::Call,
        ScopeName::Admin => Scope::Admin,
    };
    let key = NewKey::make(name, scope, Timestamp::now())
        .map_err(|error| Failure::failed(format!("the system gives no random numbers: {error}")))?;
    database.add_key(&key.kept).await.map_err(|error| Failure::unavailable(error.to_string()))?;
    message(&format!(
        "{} may {} as {}. It is shown this once:",
        bold(name),
        match scope {
            Scope::Read => "look at calls",
            Scope::Call => "look at, place and end calls",
            Scope::Admin => "do everything",
        },
        key.kept.id
    ));
    say(key.secret.expose_secret());
    Ok(())
}

async fn list(database: &Database, as_json: bool) -> Result<(), Failure> {
    let keys = database.keys().await.map_err(|error| Failure::unavailable(error.to_string()))?;
    if as_json {
        crate::terminal::json(&keys.iter().map(shown).collect::<Vec<_>>());
        return Ok(());
    }
    if keys.is_empty() {
        message("there is no key yet; `trunkline keys create` makes one");
    }
    for key in &keys {
        let used = key.used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {at:.0}"));
        let line =
            format!("{}  {:<5}  {}...  {}  {used}", key.id, key.scope.as_str(), key.prefix, bold(&key.name));
        say(&match key.revoked_at {
            Some(at) => dim(&format!("{line}, revoked {at:.0}")),
            None => line,
        });
    }
    Ok(())
}

async fn revoke(database: &Database, id: &str) -> Result<(), Failure> {
    match database.revoke_key(id, Timestamp::now()).await {
        Ok(true) => {
            say(&format!("{id} is withdrawn"));
            Ok(())
        }
        Ok(false) => Err(Failure::failed(format!(
            "there is no key {id} that could be withdrawn; `trunkline keys list` shows them"
        ))),
        Err(error) => Err(Failure::unavailable(error.to_string())),
    }
}

fn shown(key: &ApiKey) -> serde_json::Value {
    json!({
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scope": key.scope.as_str(),
        "created_at": key.created_at,
        "used_at": key.used_at,
        "revoked_at": key.revoked_at,
    })
}
