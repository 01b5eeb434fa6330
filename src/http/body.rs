//! Reading request bodies: a deadline for the whole body, and JSON whose failures are problems.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::StatusCode;
use hyper::body::{Body, Frame, SizeHint};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tokio::time::{Instant, Sleep};

use crate::http::problem::Problem;
use crate::model::error::{self, ErrorEntry};

const BODY_TIMEOUT: ErrorEntry = ErrorEntry {
    code: "body_timeout",
    status: 408,
    title: "The request's body did not arrive in time",
    hint: "Send the body at once, or a smaller one.",
};

/// A request body was not complete within [`ServerLimits::body_timeout`](super::ServerLimits).
#[derive(Debug)]
pub struct BodyTimedOut;

impl fmt::Display for BodyTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request's body did not arrive in time")
    }
}

impl Error for BodyTimedOut {}

/// A body with a deadline. The timer is made at the first wait only: most bodies arrive with their head.
pub(super) struct TimedBody<B> {
    body: B,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> TimedBody<B> {
    pub(super) fn new(body: B, timeout: Duration) -> Self {
        Self { body, deadline: Instant::now() + timeout, timer: None }
    }
}

impl<B> Body for TimedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = self.deadline;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        timer.as_mut().poll(cx).map(|()| Some(Err(BodyTimedOut.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A JSON object. serde reads a struct from an array of its fields as well, which no API reference speaks of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

/// For `#[serde(default, deserialize_with)]`: a field that can be left out, and is no `null`.
///
/// # Errors
/// What is wrong with its value.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// The limit of request bodies, as an extension of the request: axum's own refusal does not name it.
#[derive(Clone, Copy, Debug)]
pub struct MaxBody(pub usize);

impl MaxBody {
    /// A refusal of `request`'s body with the limit named, if it is one for its size.
    pub fn of(request: &Request) -> impl Fn(Problem) -> Problem + Send + use<> {
        let limit = request.extensions().get::<Self>().copied();
        move |problem| match limit {
            Some(Self(bytes)) if problem.status == StatusCode::PAYLOAD_TOO_LARGE => {
                problem.detail(format!("The body is larger than {bytes} bytes."))
            }
            _ => problem,
        }
    }
}

/// A JSON body; what axum's `Json` refuses becomes a [`Problem`] that says why.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let named = MaxBody::of(&request);
        let read = Json::from_request(request, state).await;
        read.map(|Json(value)| Self(value)).map_err(|refused| named(refused.into()))
    }
}

/// The most bytes of a reason that are sent back: it may quote the body.
const MAX_REASON: usize = 300;

fn rejected(status: StatusCode, mut reason: String, source: &(dyn Error + 'static)) -> Problem {
    let mut cause = Some(source);
    while let Some(error) = cause {
        if error.is::<BodyTimedOut>() {
            return Problem::new(BODY_TIMEOUT);
        }
        cause = error.source();
    }
    let entry = match status {
        StatusCode::PAYLOAD_TOO_LARGE => error::TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => error::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::UNPROCESSABLE_ENTITY => error::INVALID,
        _ => error::BAD_REQUEST,
    };
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    Problem::new(entry).detail(reason)
}

macro_rules! from_rejections {
    ($($rejection:ty $(, $hint:literal)?;)*) => {
        $(impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                rejected(rejection.status(), rejection.body_text(), &rejection)$(.hint($hint))?
            }
        })*
    };
}

from_rejections! {
    JsonRejection;
    BytesRejection;
    MultipartRejection;
    MultipartError;
    QueryRejection, "Compare the query with the API reference.";
    PathRejection, "Compare the path with the API reference.";
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::{Object, given};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Fields {
        #[serde(default, deserialize_with = "given")]
        name: Option<String>,
    }

    #[test]
    fn an_object_is_no_array_and_a_given_field_no_null() {
        let read = |value| serde_json::from_value::<Object<Fields>>(value).map(|Object(fields)| fields.name);
        assert_eq!(read(json!({ "name": "x" })).unwrap().as_deref(), Some("x"));
        assert_eq!(read(json!({})).unwrap(), None);
        for wrong in [json!(["x"]), json!([]), json!("x"), json!(null), json!({ "name": null }), json!({ "size": 1 })] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
