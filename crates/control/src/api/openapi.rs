//! What the OpenAPI document says beside the routes: title, tags, how to authenticate.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa::{IntoResponses as _, ToSchema};

use crate::problem::{Problem, TooMany};

const ABOUT: &str = "\
A phone gateway for voice agents. Times are RFC 3339 in UTC, durations end in their unit, ids sort by time. Whatever \
goes wrong is answered as `application/problem+json` (RFC 9457); /docs/errors explains each `code`. Every answer has \
the header `x-request-id`, by which the server's log knows the request; `RateLimit` and `RateLimit-Policy` tell how \
many requests a key has left. Phone numbers are shown in full to every key: \
they are masked in logs only.";

const KEY: &str = "`Authorization: Bearer <key>`: a key made by `trunkline keys create`, or the server's token. Scope \
`read` looks, `call` also places and ends calls, `admin` does everything. A server that has neither, and listens on \
this machine only, asks for none.";

/// Adds what holds for every route that takes a key.
pub(crate) fn add_limits(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in all.into_iter().flatten().filter(|operation| operation.security.is_some()) {
            for (status, answer) in TooMany::responses() {
                operation.responses.responses.entry(status).or_insert(answer);
            }
        }
    }
}

/// The document without its routes.
pub(crate) fn described() -> OpenApi {
    let license =
        LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("trunkline")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license))
        .build();
    let tags = [
        ("calls", "Calls that were and calls that are."),
        ("events", "What happens, as it happens."),
        ("health", "Whether the server lives, is ready, and how it and its vendors do."),
        ("carriers", "What carriers ask. Not for people; their form is the carrier's."),
        ("docs", "This document."),
    ];
    let tags = tags.map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build());
    let mut schemas = vec![(Problem::name().into_owned(), <Problem as utoipa::PartialSchema>::schema())];
    Problem::schemas(&mut schemas);
    let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(KEY)).build();
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme("key", SecurityScheme::Http(key))
        .build();
    OpenApiBuilder::new().info(info).tags(Some(tags)).components(Some(components)).build()
}
