//! From a body, JSON or multipart, to a request.

use std::fmt;
use std::time::Duration;

use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

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
    #[serde(default, deserialize_with = "images")]
    images: Vec<JsonImage>,
    #[serde(default)]
    nickname: Option<String>,
    #[serde(default)]
    conversation: Option<String>,
    #[serde(default)]
    lang: Option<String>,
}

/// An image in JSON: base64, bare, as a `data:` URL, or in an object with a name; or an object that says where it is.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonImage {
    #[serde(default, deserialize_with = "given")]
    data: Option<String>,
    #[serde(default, deserialize_with = "given")]
    url: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

/// More than any configuration allows.
const TOO_MANY: usize = 101;

/// Read one by one, and no further than it can be right: a body of millions of empty images, or of something else in their
/// place, would take many times its own size of memory.
fn images<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<JsonImage>, D::Error> {
    struct One(JsonImage);
    struct OneOf;
    struct AllOf;

    impl<'de> Deserialize<'de> for One {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_any(OneOf)
        }
    }

    impl<'de> Visitor<'de> for OneOf {
        type Value = One;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("base64 text, or an object {\"data\": base64, \"name\": text} or {\"url\": …, \"name\": text}")
        }

        fn visit_str<E: de::Error>(self, data: &str) -> Result<One, E> {
            self.visit_string(data.to_owned())
        }

        fn visit_string<E: de::Error>(self, data: String) -> Result<One, E> {
            Ok(One(JsonImage { data: Some(data), ..JsonImage::default() }))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<One, A::Error> {
            JsonImage::deserialize(MapAccessDeserializer::new(map)).map(One)
        }
    }

    impl<'de> Visitor<'de> for AllOf {
        type Value = Vec<JsonImage>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of images")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Vec<JsonImage>, A::Error> {
            let mut images = Vec::new();
            while let Some(One(image)) = all.next_element()? {
                images.push(image);
                if images.len() == TOO_MANY {
                    return Err(de::Error::invalid_length(TOO_MANY, &"far fewer images"));
                }
            }
            Ok(images)
        }
    }

    from.deserialize_seq(AllOf)
}

/// Bounds the memory of all bodies together: many large ones at once wait for each other.
pub(super) struct Bodies {
    all: Semaphore,
    /// Browsers' share: a stranger with a few large bodies that trickle in must not keep a site's backend out.
    of_browsers: Semaphore,
}

/// Room for one body, given back when dropped.
pub(super) struct Room<'a> {
    _own: SemaphorePermit<'a>,
    _share: Option<SemaphorePermit<'a>>,
}

/// Room for bodies, in KiB. A picture in JSON is held twice for a moment, as text and as bytes.
const ROOM: u32 = 128 * 1024;

/// What of it browsers may take together.
const BROWSERS: u32 = ROOM / 2;

/// Bodies up to this size, in KiB, are not counted: the number of connections bounds them.
const SMALL: u32 = 64;

/// How long a large body waits for room.
const WAIT_FOR_ROOM: Duration = Duration::from_secs(5);

impl Default for Bodies {
    fn default() -> Self {
        Self { all: Semaphore::new(ROOM as usize), of_browsers: Semaphore::new(BROWSERS as usize) }
    }
}

impl Bodies {
    /// Takes room for a body by its `Content-Length`; one of unknown length takes a quarter of all.
    ///
    /// # Errors
    /// 503 when there is no room for a while.
    pub(super) async fn room_for(&self, headers: &HeaderMap, of_browser: bool) -> Result<Option<Room<'_>>, Problem> {
        let most = if of_browser { BROWSERS } else { ROOM };
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let kib = length.map_or(ROOM / 4, |bytes| u32::try_from(bytes / 512).unwrap_or(ROOM).min(most));
        if kib <= SMALL {
            return Ok(None);
        }
        let room = async {
            // The share first: who waits for that holds nothing of the rest.
            let share = if of_browser { Some(self.of_browsers.acquire_many(kib).await?) } else { None };
            Ok::<_, AcquireError>(Room { _own: self.all.acquire_many(kib).await?, _share: share })
        };
        match tokio::time::timeout(WAIT_FOR_ROOM, room).await {
            Ok(Ok(room)) => Ok(Some(room)),
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
        let JsonImage { data, url, name } = image;
        let source = match (data, url) {
            (Some(data), None) => {
                Source::Bytes(decode(&data).ok_or_else(|| Problem::invalid(format!("`images[{n}]` is not base64")))?)
            }
            (None, Some(url)) => Source::Url(url),
            _ => return Err(Problem::invalid(format!("`images[{n}]` needs either `data` or `url`"))),
        };
        images.push(Picture { name, source });
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
    use std::io::Read;
    use std::time::Duration;

    use http::{HeaderMap, header};

    use super::{Bodies, Json, decode};

    #[tokio::test]
    async fn browsers_leave_room_for_backends() {
        let of = |bytes: u64| HeaderMap::from_iter([(header::CONTENT_LENGTH, bytes.into())]);
        let (bodies, large) = (Bodies::default(), of(25_000_000));
        let held = bodies.room_for(&large, true).await.unwrap();
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, bodies.room_for(&large, true)).await.is_err(), "it waits");
        assert!(bodies.room_for(&large, false).await.is_ok());
        assert!(bodies.room_for(&of(900), true).await.is_ok());
        drop(held);
        // What is too large is refused for that, not for want of room.
        assert!(bodies.room_for(&of(u64::MAX), true).await.is_ok());
    }

    /// A body without an end: whoever waits for it reads for ever.
    struct Endless<'a>(&'a [u8], &'a [u8], usize);

    impl Read for Endless<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                self.0 = self.1;
            }
            assert!(self.2 < 1 << 20, "it is read on and on");
            let read = self.0.read(into)?;
            self.2 += read;
            Ok(read)
        }
    }

    #[test]
    fn a_list_of_images_that_cannot_be_right_is_read_no_further() {
        for (first, rest) in [
            (r#"{"images":[""#, r#"",""#),
            (r#"{"images":[{}"#, ",{}"),
            (r#"{"images":[[0"#, ",0"),
            (r#"{"images":[[["#, "["),
            (r#"{"images":["","#, "0,"),
            (r#"{"images":[{"data":["#, "0,"),
            (r#"{"images":[0"#, ",0"),
            (r#"{"images":{"a":["#, "0,"),
        ] {
            let body = Endless(first.as_bytes(), rest.as_bytes(), 0);
            assert!(serde_json::from_reader::<_, Json>(body).is_err(), "{first}{rest}");
        }
    }

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
