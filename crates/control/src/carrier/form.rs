//! The pairs of a callback's form, in whichever of three encodings a carrier sends it.

use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart, Request};
use http::{HeaderMap, header};

/// How many fields a form may have. Carriers send about forty.
const FIELDS: usize = 256;

/// A form that can't be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is no form")]
pub struct FormFault;

/// The pairs of a form: `multipart/form-data`, `application/x-www-form-urlencoded`, or a JSON object, whose members
/// come as `Legs[0][Status]`. Files are left out.
///
/// # Errors
/// When it says that it is `multipart/form-data` and is not.
pub async fn form_pairs(headers: &HeaderMap, body: &[u8]) -> Result<Vec<(String, String)>, FormFault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if let Some(pairs) = carriers::rest::form_pairs(kind, body) {
        return Ok(pairs);
    }
    let request = Request::builder().header(header::CONTENT_TYPE, kind.unwrap_or_default());
    let request = request.body(Body::from(body.to_vec())).map_err(|_| FormFault)?;
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| FormFault)?;
    let mut pairs = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|_| FormFault)? {
        let Some(name) = field.name().map(str::to_owned) else { continue };
        if field.file_name().is_some() {
            continue;
        }
        let value = field.bytes().await.map_err(|_| FormFault)?;
        if pairs.len() < FIELDS {
            pairs.push((name, String::from_utf8_lossy(&value).into_owned()));
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(kind: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        headers
    }

    #[tokio::test]
    async fn three_encodings_give_the_same_pairs() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = vec![pair("CallSid", "c"), pair("Legs[0][Status]", "completed")];
        let json = br#"{"CallSid":"c","Legs":[{"Status":"completed"}]}"#;
        assert_eq!(form_pairs(&headers("application/json"), json).await.unwrap(), expected);
        let form = b"CallSid=c&Legs%5B0%5D%5BStatus%5D=completed";
        let kind = headers("application/x-www-form-urlencoded");
        assert_eq!(form_pairs(&kind, form).await.unwrap(), expected);
        assert_eq!(form_pairs(&HeaderMap::new(), form).await.unwrap(), expected);
        let multipart = b"--XX\r\nContent-Disposition: form-data; name=\"CallSid\"\r\n\r\nc\r\n--XX\r\n\
            Content-Disposition: form-data; name=\"Legs[0][Status]\"\r\n\r\ncompleted\r\n--XX\r\n\
            Content-Disposition: form-data; name=\"a\"; filename=\"x.wav\"\r\n\r\nRIFF\r\n--XX--\r\n";
        let kind = headers("multipart/form-data; boundary=XX");
        assert_eq!(form_pairs(&kind, multipart).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_broken_multipart_form_is_a_fault() {
        for (kind, body) in [
            (
                "multipart/form-data; boundary=XX",
                &b"--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1"[..],
            ),
            ("multipart/form-data", b"--XX--"),
            ("multipart/mixed; boundary=XX", b"--XX--\r\n"),
        ] {
            assert_eq!(form_pairs(&headers(kind), body).await, Err(FormFault), "{kind}");
        }
    }
}
