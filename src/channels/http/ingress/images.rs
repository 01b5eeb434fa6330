//! The pictures of a message, for a page that shows the conversation again.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::channels::http::ingress::{Answered, Channel};
use crate::channels::http::{HttpChannel, store_problem};
use crate::contract::store::Utterance;
use crate::http::Problem;
use crate::model::inbound::{InboundEvent, MediaPlace};
use crate::model::turn::TurnView;
use crate::model::{MediaRef, TurnId};

/// `GET /v1/messages/{id}/images/{n}`
pub(super) async fn image(
    State(channel): Channel,
    path: Result<Path<(String, usize)>, PathRejection>,
    headers: HeaderMap,
) -> Answered {
    let caller = channel.admit(&headers).await?;
    let Path((id, n)) = path.map_err(|_| Problem::not_found())?;
    let id = TurnId::parse(&id).ok_or_else(Problem::not_found)?;
    let view = channel.own_view(&caller, id).await?;
    let media = channel.pictures(&view).await?;
    let Some(MediaPlace::Stored(stored)) = media.get(n).map(|media| &media.place) else {
        return Err(Problem::not_found().detail("There is no such picture, or it is kept no longer."));
    };
    let bytes = channel.context.store.media(*stored).await.map_err(store_problem)?;
    Ok(answer(bytes))
}

impl HttpChannel {
    async fn pictures(&self, view: &Arc<TurnView>) -> Result<Vec<MediaRef>, Problem> {
        let entries = self.context.store.turn_entries(view.id).await.map_err(store_problem)?;
        let media = entries.into_iter().filter_map(|entry| match entry.said {
            Utterance::In(InboundEvent::Message(message)) => Some(message.media),
            _ => None,
        });
        Ok(media.flatten().collect())
    }
}

/// What people sent is served as a picture or not at all: never as a page or a script of this address.
fn answer(bytes: bytes::Bytes) -> Response {
    let kind = picture(&bytes).unwrap_or("application/octet-stream");
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    let all = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "private, max-age=86400"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-site"),
        (header::CONTENT_DISPOSITION, "attachment"),
    ];
    for (name, value) in all {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn picture(bytes: &[u8]) -> Option<&'static str> {
    let kind = match bytes {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [b'B', b'M', ..] => "image/bmp",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "image/tiff",
        _ => return None,
    };
    Some(kind)
}

#[cfg(test)]
mod tests {
    use super::picture;

    #[test]
    fn only_pictures_are_called_so() {
        assert_eq!(picture(b"\x89PNG\r\n"), Some("image/png"));
        assert_eq!(picture(b"RIFF....WEBPVP8 "), Some("image/webp"));
        for other in [&b"<svg onload=alert(1)>"[..], b"<!doctype html>", b"", b"RIFF....WAVE"] {
            assert_eq!(picture(other), None);
        }
    }
}
