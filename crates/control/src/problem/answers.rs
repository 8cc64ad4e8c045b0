//! The problems that a handler may answer with, as its documentation names them: `responses(.., Unauthorized)`.

use std::collections::BTreeMap;

use utoipa::openapi::{Content, Header, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, schema::Type};
use utoipa::{IntoResponses, ToSchema as _};

use super::Problem;

/// Makes a documented answer: its name, its status, what it means.
macro_rules! answers {
    ($($name:ident $status:literal $about:literal;)*) => {$(
        #[doc = $about]
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([($status.to_owned(), RefOr::T(documented($status, $about)))])
            }
        }
    )*};
}

answers! {
    BadRequest "400" "A parameter, or the body, is not of its form.";
    Unauthorized "401" "A key is needed and there is none that holds.";
    Forbidden "403" "The key may not do this.";
    NotFound "404" "There is no such thing.";
    Conflict "409" "Not in the state that things are in.";
    Unprocessable "422" "It is understood and can't be done.";
    TooMany "429" "More than is allowed in this time.";
    RangeNotSatisfiable "416" "The bytes that are asked for are not there.";
    Storage "502" "The storage of recordings refuses us, or is not the one that the recording lies at.";
    Upstream "502" "The carrier was not reached, or refuses us.";
    ServerFault "500" "A fault inside the server; its log says more.";
    Unavailable "503" "Not now: the database does not answer, or the server is about to stop.";
}

fn documented(status: &str, about: &str) -> Response {
    let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name(Problem::name()))));
    let mut response = ResponseBuilder::new().description(about).content("application/problem+json", content);
    if status == "416" {
        let place =
            ObjectBuilder::new().schema_type(Type::String).description(Some("How many bytes there are."));
        response = response.header("Content-Range", Header::new(place.build()));
    }
    if matches!(status, "429" | "503") {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).description(Some("Seconds."));
        response = response.header("Retry-After", Header::new(seconds.build()));
    }
    response.build()
}
