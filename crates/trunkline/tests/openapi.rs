//! The API's document as it is committed, and what docs/api.md says, are held against the handlers.

use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders up").to_path_buf()
}

fn document() -> Value {
    serde_json::to_value(control::documented(gateway::documented())).expect("a document is JSON")
}

/// `UPDATE_DOCS=1 cargo test -p trunkline --test openapi` writes it anew.
#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let path = root().join("docs/openapi.json");
    let wanted = format!("{:#}\n", document());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).expect("docs/ can be written");
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let at = found.lines().zip(wanted.lines()).position(|(found, wanted)| found != wanted);
    let line = at.map_or_else(|| found.lines().count().min(wanted.lines().count()) + 1, |at| at + 1);
    assert!(
        found == wanted,
        "docs/openapi.json:{line}: it is old; run UPDATE_DOCS=1 cargo test -p trunkline --test openapi"
    );
}

#[test]
fn the_data_plane_is_in_it() {
    let document = document();
    for (path, method) in [
        ("/voicebot/sessions", "get"),
        ("/api/v1/exotel/voice/connect", "get"),
        ("/api/v1/exotel/voice/connect", "post"),
        ("/api/v1/exotel/passthru", "post"),
    ] {
        assert!(document["paths"][path][method].is_object(), "{method} {path}");
    }
}

/// Each `curl` of the page asks for a path that is there, with parameters that it has.
#[test]
fn the_page_asks_for_what_is_there() {
    let page = std::fs::read_to_string(root().join("docs/api.md")).expect("docs/api.md:1: write it");
    let document = document();
    let mut asked = 0;
    for (line, text) in page.lines().enumerate().filter(|(_, text)| text.contains("curl ")) {
        let place = format!("docs/api.md:{}", line + 1);
        let mut words = text.split(['"', '\'', ' ']);
        let url = words.find_map(|word| word.strip_prefix("$TRUNKLINE").filter(|url| url.starts_with('/')));
        let url = url.unwrap_or_else(|| panic!("{place}: the address is written as $TRUNKLINE/path"));
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let method = match text {
            _ if text.contains("-X DELETE") => "delete",
            _ if text.contains("-X POST") || text.contains(" -d ") => "post",
            _ => "get",
        };
        let paths = document["paths"].as_object().expect("paths");
        let (_, item) = paths
            .iter()
            .find(|(template, item)| fits(template, path) && item[method].is_object())
            .unwrap_or_else(|| panic!("{place}: there is no {method} {path}"));
        let parameters = item[method]["parameters"].as_array().cloned().unwrap_or_default();
        for name in query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty())
        {
            assert!(parameters.iter().any(|known| known["name"] == name), "{place}: {path} has no `{name}`");
        }
        asked += 1;
    }
    assert!(asked > 5, "the page has examples");
}

/// Whether a path is one of a template: `/calls/{id}`.
fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let same = |(wanted, found): (&&str, &&str)| wanted == found || wanted.starts_with('{');
    template.len() == path.len() && template.iter().zip(&path).all(same)
}
