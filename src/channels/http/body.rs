//! From a body, JSON or multipart, to a request.

use std::time::Duration;

use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::Deserialize;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::channels::http::normalize::{Picture, Request, Source};
use crate::http::body::{MaxBody, given};
use crate::http::{JsonBody, Object, Problem};
use crate::model::error;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    #[serde(default, deserialize_with = "given")]
    user: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    images: Vec<JsonImage>,
    #[serde(default)]
    nickname: Option<String>,
    #[serde(default)]
    conversation: Option<String>,
    #[serde(default)]
    lang: Option<String>,
}

/// An image in JSON: base64, bare, as a `data:` URL, or in an object with a name; or an object that says where it is.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "`images` takes base64 texts and objects {\"data\": base64, \"name\": text} or {\"url\": …, \"name\": text}"
)]
enum JsonImage {
    Bare(String),
    Here(Object<Here>),
    There(Object<There>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Here {
    data: String,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct There {
    url: String,
    #[serde(default)]
    name: Option<String>,
}

/// Bounds the memory of all bodies together: many large ones at once wait for each other.
pub(super) struct Bodies(Semaphore);

/// Room for bodies, in KiB. A picture in JSON is held twice for a moment, as text and as bytes.
const ROOM: u32 = 128 * 1024;

/// Bodies up to this size, in KiB, are not counted: the number of connections bounds them.
const SMALL: u32 = 64;

/// How long a large body waits for room.
const WAIT_FOR_ROOM: Duration = Duration::from_secs(5);

impl Default for Bodies {
    fn default() -> Self {
        Self(Semaphore::new(ROOM as usize))
    }
}

impl Bodies {
    /// Takes room for a body by its `Content-Length`; one of unknown length takes a quarter of all.
    ///
    /// # Errors
    /// 503 when there is no room for a while.
    pub(super) async fn room_for(&self, headers: &HeaderMap) -> Result<Option<SemaphorePermit<'_>>, Problem> {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let kib = length.map_or(ROOM / 4, |bytes| u32::try_from(bytes / 512).unwrap_or(ROOM).min(ROOM));
        if kib <= SMALL {
            return Ok(None);
        }
        match tokio::time::timeout(WAIT_FOR_ROOM, self.0.acquire_many(kib)).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            Ok(Err(_)) | Err(_) => Err(Problem::unavailable(WAIT_FOR_ROOM).detail("Too many large requests at once.")),
        }
    }
}

/// Reads a request by its content type.
pub(super) async fn read(request: axum::extract::Request, max_images: usize) -> Result<Request, Problem> {
    let content_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "multipart/form-data" => {
            let named = MaxBody::of(&request);
            let multipart = Multipart::from_request(request, &()).await.map_err(|refused| named(refused.into()))?;
            from_multipart(multipart, max_images).await.map_err(named)
        }
        "application/json" => {
            let JsonBody(Object(json)) = JsonBody::<Object<Json>>::from_request(request, &()).await?;
            from_json(json)
        }
        _ => Err(Problem::new(error::UNSUPPORTED_MEDIA_TYPE)),
    }
}

fn from_json(json: Json) -> Result<Request, Problem> {
    let mut images = Vec::with_capacity(json.images.len());
    for (n, image) in json.images.into_iter().enumerate() {
        let (data, name) = match image {
            JsonImage::Bare(data) => (data, None),
            JsonImage::Here(Object(Here { data, name })) => (data, name),
            JsonImage::There(Object(There { url, name })) => {
                images.push(Picture { name, source: Source::Url(url) });
                continue;
            }
        };
        let bytes = decode(&data).ok_or_else(|| Problem::invalid(format!("`images[{n}]` is not base64")))?;
        images.push(Picture { name, source: Source::Bytes(bytes) });
    }
    Ok(Request {
        user: json.user,
        text: json.text.unwrap_or_default(),
        nickname: json.nickname,
        conversation: json.conversation,
        lang: json.lang,
        images,
    })
}

/// Base64 in any of its common alphabets; a `data:` URL's head and white space are passed over.
fn decode(data: &str) -> Option<Bytes> {
    let data = match data.strip_prefix("data:") {
        Some(url) => url.split_once(";base64,")?.1,
        None => data,
    };
    let data: std::borrow::Cow<'_, str> = if data.contains(|c: char| c.is_ascii_whitespace()) {
        data.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>().into()
    } else {
        data.into()
    };
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|engine| engine.decode(&*data).ok())
        .map(Bytes::from)
}

async fn from_multipart(mut multipart: Multipart, max_images: usize) -> Result<Request, Problem> {
    let mut request = Request::default();
    let mut text = None;
    while let Some(field) = multipart.next_field().await.map_err(Problem::from)? {
        match field.name().unwrap_or_default() {
            "user" => once("user", &mut request.user, field).await?,
            "text" => once("text", &mut text, field).await?,
            "nickname" => once("nickname", &mut request.nickname, field).await?,
            "conversation" => once("conversation", &mut request.conversation, field).await?,
            "lang" => once("lang", &mut request.lang, field).await?,
            "images" | "images[]" | "image" => {
                if request.images.len() >= max_images {
                    return Err(Problem::invalid(format!("there are more than {max_images} images")));
                }
                let name = field.file_name().map(str::to_owned);
                let bytes = field.bytes().await.map_err(Problem::from)?;
                request.images.push(Picture { name, source: Source::Bytes(bytes) });
            }
            other => {
                let other: String = other.chars().take(40).collect();
                let fields = "`user`, `text`, `images`, `nickname`, `conversation`, `lang`";
                return Err(Problem::invalid(format!("`{other}` is not a field; there are {fields}")));
            }
        }
    }
    request.text = text.unwrap_or_default();
    Ok(request)
}

async fn once(name: &str, slot: &mut Option<String>, field: Field<'_>) -> Result<(), Problem> {
    let value = field.text().await.map_err(Problem::from)?;
    if slot.replace(value).is_some() {
        return Err(Problem::invalid(format!("`{name}` is given twice")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn base64_in_every_common_form() {
        for form in ["+/8=", "+/8", "-_8=", "-_8", "data:image/png;base64,+/8=", "+/\n8="] {
            assert_eq!(decode(form).as_deref(), Some(&[0xfb, 0xff][..]), "{form}");
        }
        for wrong in ["§", "data:image/png,+/8=", "a"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
