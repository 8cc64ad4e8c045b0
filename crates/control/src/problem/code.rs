//! The closed list of what can go wrong with a request. Each has a word for programs, a status, a title and a passage
//! at `/docs/errors`, so that a `type` always leads to an explanation.

use std::fmt;

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// Makes the list: one row a kind.
macro_rules! codes {
    ($($name:ident $code:literal $status:ident $title:literal $about:literal;)*) => {
        /// The kind of a problem, as a word for programs.
        // Not `rename = $code`: the document's macro does not see through it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $(#[doc = $about] $name,)*
        }

        impl Code {
            /// Every kind, by status.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The kind of this word.
            pub fn of_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == word)
            }

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that it is answered with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// The kind in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What it means and what to do about it.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$name => $about,)* }
            }
        }
    };
}

codes! {
    InvalidParameters "invalid_parameters" BAD_REQUEST "Invalid parameters"
        "A parameter of the path or the query is unknown, given twice, or not of its form. `errors` names each; \
         /docs says what they may be.";
    MalformedBody "malformed_body" BAD_REQUEST "The body can't be read"
        "The body is no JSON, or not of the form that /docs gives. `detail` says where reading stopped.";
    BadRequest "bad_request" BAD_REQUEST "The request can't be understood"
        "The request is not of the form that this path takes. `detail` says more, where more is known.";
    MissingSignature "missing_signature" BAD_REQUEST "There is no signature"
        "Only a carrier or a vendor asks this path, and signs what it sends. This request was not signed, or has not the \
         secret that is in the URL.";
    WrongSignature "wrong_signature" FORBIDDEN "The signature does not fit"
        "Where every request of the carrier is refused so, server.public_url or server.trusted_proxies is not what the \
         carrier asks, or the auth token is another account's. Where single ones are, somebody knocks.";
    Unauthorized "unauthorized" UNAUTHORIZED "A key is needed"
        "The request has no key, or one that is unknown or withdrawn. Send one as `Authorization: Bearer <key>`.";
    Forbidden "forbidden" FORBIDDEN "The key may not do this"
        "The key is good and its scope is too small for this request. Use one of a larger scope.";
    NotFound "not_found" NOT_FOUND "Nothing is here"
        "There is no such path, or it is switched off in the configuration.";
    CallNotFound "call_not_found" NOT_FOUND "No such call"
        "There is no call of this id: it is misspelled, of another server, or was erased. Ids are `call_` and 26 \
         letters and digits, in upper case.";
    RecordingNotFound "recording_not_found" NOT_FOUND "No recording"
        "The call is known and has no recording: recording was off, the caller did not agree, or it was erased. \
         `detail` says which, as far as that is known.";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "Not by this method"
        "The path exists and is not asked by this method. The header `Allow` lists those that are.";
    TooSlow "too_slow" REQUEST_TIMEOUT "The request came too slowly"
        "The body did not come at the pace that a request must have.";
    Conflict "conflict" CONFLICT "Not in this state"
        "What is asked can't be done in the state that things are in. `detail` says which.";
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE "The body is too large"
        "The body is larger than this request may have.";
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "Not in this form"
        "The header `Content-Type` names a form that is not read here. Send JSON as `application/json`.";
    RangeNotSatisfiable "range_not_satisfiable" RANGE_NOT_SATISFIABLE "Beyond the end"
        "The header `Range` asks for bytes that are not there. The header `Content-Range` says how many there are.";
    Unprocessable "unprocessable" UNPROCESSABLE_ENTITY "Not to be done"
        "The body is of the right form and what it says can't be done. `errors` names each fault.";
    NotANumber "not_a_number" UNPROCESSABLE_ENTITY "Not a phone number"
        "`to` is not read as a phone number. Write + and the country code before it, or set outbound.default_country.";
    NoSuchNumber "no_such_number" UNPROCESSABLE_ENTITY "No phone has this number"
        "The number is in no numbering plan that is known. Look for a digit too many or too few; if it is right, add \
         its beginning to outbound.allowed_prefixes.";
    NoCountryOpen "no_country_open" FORBIDDEN "No country may be called"
        "Calls are placed to countries that the operator opened, and none is. Set outbound.countries or \
         outbound.default_country.";
    CountryNotOpen "country_not_open" FORBIDDEN "The country may not be called"
        "The number's country is not among outbound.countries.";
    DearNumber "dear_number" FORBIDDEN "A dear number"
        "Premium-rate, shared-cost, personal, service, satellite and global numbers are dialled only where their \
         beginning is among outbound.allowed_prefixes.";
    BlockedNumber "blocked_number" FORBIDDEN "The number is blocked"
        "The operator blocks numbers that begin so: outbound.blocked_prefixes.";
    NotConfigured "not_configured" CONFLICT "Not set up"
        "Calls can't be placed before something is configured; `detail` says what.";
    DialRefused "dial_refused" UNPROCESSABLE_ENTITY "The carrier refuses the call"
        "The carrier did not dial, and asking again will not help: `detail` has its words. The call is kept as failed.";
    CarrierFault "carrier_fault" BAD_GATEWAY "The carrier can't be used"
        "The carrier was not reached, refuses the credentials, or answers senselessly: `detail` says which.";
    CarrierBusy "carrier_busy" SERVICE_UNAVAILABLE "The carrier takes no more calls now"
        "The carrier, or the pace that its account allows, takes no more calls now. Ask again after `Retry-After`, with \
         another `Idempotency-Key`.";
    IdempotencyKeyReused "idempotency_key_reused" UNPROCESSABLE_ENTITY "The Idempotency-Key was used for something else"
        "Each request that is to be done once has a key of its own; the same key is for the same request again.";
    RequestInProgress "request_in_progress" CONFLICT "The same request still runs"
        "The first request of this `Idempotency-Key` has no answer yet. Ask again with the same key.";
    TooManyCalls "too_many_calls" TOO_MANY_REQUESTS "Too many calls within a minute"
        "The key has placed as many calls within a minute as outbound.calls_per_minute allows.";
    TooManyCallsToday "too_many_calls_today" TOO_MANY_REQUESTS "Too many calls within a day"
        "The key has placed as many calls within a day as outbound.calls_per_day allows.";
    TooManyMinutes "too_many_minutes" TOO_MANY_REQUESTS "Too many minutes within a day"
        "The key's calls took as many minutes within a day as outbound.minutes_per_day allows. A call that is not over \
         counts as long as it may become, outbound.max_call_ms.";
    ServerCallsUsed "server_calls_used" TOO_MANY_REQUESTS "The server's calls of the day are used up"
        "All keys together have placed as many calls within a day as outbound.whole_server.calls_per_day allows.";
    ServerMinutesUsed "server_minutes_used" TOO_MANY_REQUESTS "The server's minutes of the day are used up"
        "All keys' calls together took as many minutes within a day as outbound.whole_server.minutes_per_day allows. A \
         call that is not over counts as long as it may become, outbound.max_call_ms.";
    UpgradeNeeded "upgrade_needed" UPGRADE_REQUIRED "This path is a WebSocket"
        "The path is asked with an upgrade to a WebSocket and by nothing else.";
    TooManyRequests "too_many_requests" TOO_MANY_REQUESTS "Too many requests"
        "The key has asked more often than api.requests_per_minute allows (the header `RateLimit` tells what is left), or \
         too many requests of the address were refused. Wait as long as `Retry-After` says.";
    HeadTooLarge "head_too_large" REQUEST_HEADER_FIELDS_TOO_LARGE "The head is too large"
        "The request's headers and path are larger than a request may have.";
    CallErased "call_erased" CONFLICT "The call is erased"
        "Nothing of the call is left but its id, its times and its state, so there is nothing to be held.";
    StorageFault "storage_fault" BAD_GATEWAY "The storage of recordings can't be used"
        "The recording lies in a bucket or folder that refuses the configured key, or that is not the configured one: \
         `detail` says which. The operator looks at recording.url, recording.region and the key.";
    StorageUnavailable "storage_unavailable" SERVICE_UNAVAILABLE "The storage of recordings does not answer"
        "The recording lies in a bucket or folder that does not answer now. Ask again after `Retry-After`.";
    Internal "internal" INTERNAL_SERVER_ERROR "A fault inside the server"
        "The request is not at fault. The server's log says more under the `request_id`.";
    DatabaseUnavailable "database_unavailable" SERVICE_UNAVAILABLE "The database does not answer"
        "The database is locked, restarting or not reachable. Calls go on and are stored later; ask again after \
         `Retry-After`.";
    Unavailable "unavailable" SERVICE_UNAVAILABLE "Not now"
        "The server is about to stop, or has no room for more. Ask again after `Retry-After`.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_the_same_everywhere_and_once() {
        let mut words: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
