//! `talk` and `vision`.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{FromRequest, Multipart, Request, State as Shared};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use image::ImageFormat;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::Connection;
use crate::sandbox::answer;
use crate::sandbox::history::EntryKind;
use crate::sandbox::log::{Call, Caller};
use crate::sandbox::picture;
use crate::sandbox::run::{Order, conduct, refuse};
use crate::sandbox::state::{Bot, State, lock};
use crate::sandbox::wire::{self, Refusal};

/// The most bytes of a talk's body, and of what is in a vision's beside the image.
pub(super) const MAX_TEXT_BYTES: usize = 1024 * 1024;

#[derive(Deserialize)]
struct Said {
    text: String,
}

pub(super) async fn talk(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let (since, mut caller) = (Instant::now(), Caller::default());
    let bot = match read_talk(&state, request, &mut caller).await {
        Ok(bot) => bot,
        Err(refusal) => return refuse(&state, Call::Talk, since, &caller, refusal),
    };
    let world = Arc::clone(&state);
    let work = move |caller: Caller, order: Order| async move {
        tokio::time::sleep(order.latency).await;
        Ok(record(&world, &bot, caller, &order, EntryKind::Text, json!({}), answer::to_text))
    };
    conduct(state, connection, Call::Talk, since, caller, work).await
}

pub(super) async fn vision(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let (since, mut caller) = (Instant::now(), Caller::default());
    let (bot, image, format, name) = match read_vision(&state, request, &mut caller).await {
        Ok(read) => read,
        Err(refusal) => return refuse(&state, Call::Vision, since, &caller, refusal),
    };
    let world = Arc::clone(&state);
    let work = move |caller: Caller, order: Order| async move {
        let seen = look(&world, image, format, name).await?;
        tokio::time::sleep(order.latency).await;
        let about = json!({ "image": {
            "format": name, "width": seen.width, "height": seen.height, "colours": seen.colours,
        } });
        let say = |turn, caption: &str| answer::to_picture(turn, &seen.words, caption);
        Ok(record(&world, &bot, caller, &order, EntryKind::Image, about, say))
    };
    conduct(state, connection, Call::Vision, since, caller, work).await
}

fn record(
    state: &State,
    bot: &Bot,
    caller: Caller,
    order: &Order,
    kind: EntryKind,
    kwargs: Value,
    say: impl FnOnce(u64, &str) -> String,
) -> Value {
    let said = (caller.text.unwrap_or_default(), kind, caller.nickname.unwrap_or_default(), kwargs);
    let uid = caller.uid.unwrap_or_default();
    let say = |turn, text: &str| if order.empty { String::new() } else { say(turn, text) };
    let text = lock(&bot.history).turn(&uid, state.keep(), said, say);
    json!({ "text": text })
}

async fn look(state: &State, image: Bytes, format: ImageFormat, name: &'static str) -> Result<picture::Seen, Refusal> {
    let broken = |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    let _permit = state.decoders.acquire().await.map_err(|_| broken(()))?;
    let looking = tokio::task::spawn_blocking(move || picture::look(&image, format, name));
    looking.await.map_err(|_| broken(()))?.map_err(Refusal::bad)
}

/// What both carry in headers and query.
fn read_head(state: &State, request: &Request, caller: &mut Caller) -> Result<Arc<Bot>, Refusal> {
    let bot = wire::bot(state, request.headers())?;
    caller.bot = Some(Arc::clone(&bot.name));
    caller.uid = Some(wire::uid(request.headers())?);
    caller.nickname = wire::query(request.uri())?.remove("nickname");
    Ok(bot)
}

async fn read_talk(state: &State, request: Request, caller: &mut Caller) -> Result<Arc<Bot>, Refusal> {
    let bot = read_head(state, &request, caller)?;
    if wire::media_type(request.headers())? != "application/json" {
        return Err(Refusal::bad("The content type has to be application/json."));
    }
    let body = axum::body::to_bytes(request.into_body(), MAX_TEXT_BYTES)
        .await
        .map_err(|error| Refusal::bad(format!("The body cannot be read: {error}")))?;
    let said: Said = serde_json::from_slice(&body)
        .map_err(|error| Refusal::bad(format!("The body is not as documented: {error}")))?;
    caller.text = Some(said.text);
    Ok(bot)
}

async fn read_vision(
    state: &State,
    request: Request,
    caller: &mut Caller,
) -> Result<(Arc<Bot>, Bytes, ImageFormat, &'static str), Refusal> {
    let bot = read_head(state, &request, caller)?;
    match wire::media_type(request.headers())?.as_str() {
        "multipart/form-data" => {}
        // The documents' own samples send it so at times; a file cannot come this way.
        "application/x-www-form-urlencoded" => return Err(no_image()),
        _ => return Err(Refusal::bad("The content type has to be multipart/form-data.")),
    }
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| Refusal::bad(error.body_text()))?;
    let mut image = None;
    while let Some(part) = form.next_field().await.map_err(unreadable)? {
        match part.name() {
            Some("image") => {
                if part.file_name().is_none() {
                    return Err(Refusal::bad("The part image has to be a file, with a filename."));
                }
                if image.replace(part.bytes().await.map_err(unreadable)?).is_some() {
                    return Err(Refusal::bad("There is more than one part image."));
                }
            }
            Some("text") => {
                let bytes = part.bytes().await.map_err(unreadable)?;
                let text = String::from_utf8(bytes.into()).map_err(|_| Refusal::bad("The part text is not UTF-8."))?;
                caller.text = Some(text);
            }
            _ => {}
        }
    }
    let image = image.filter(|image| !image.is_empty()).ok_or_else(no_image)?;
    if image.len() > state.options.max_image_bytes {
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "The image is too large."));
    }
    let (format, name) = picture::format(&image)
        .ok_or_else(|| Refusal::bad("Unsupported image format: send .png, .jpg, .jpeg, .gif, .tiff or .tif."))?;
    caller.image = Some((name, image.len()));
    Ok((bot, image, format, name))
}

fn no_image() -> Refusal {
    Refusal::bad("The part image is missing.")
}

fn unreadable(error: axum::extract::multipart::MultipartError) -> Refusal {
    let status = match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    Refusal::new(status, error.body_text())
}
