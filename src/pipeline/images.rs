//! Pictures as `vision` takes them. Bytes that somebody sent come in; png, jpeg, gif or tiff within the limits comes out.
//!
//! Most pictures pass through as they are: their headers are read (`headers`) and nothing is copied. The others are decoded,
//! scaled and encoded again (`convert`), off the async threads and under a semaphore.
//!
//! Memory: a picture that passes needs none. A conversion needs at most about 12 bytes for each pixel of
//! [`ImageLimits::max_pixels`] (a progressive jpeg is the worst: 8 for its coefficients, 3 for its pixels), three times
//! the file, and 32 MiB for the tables of a malicious tiff; the number of permits bounds how many run at once.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use image::ImageFormat;
use tokio::sync::Semaphore;

mod convert;
mod headers;
#[cfg(test)]
mod hostile;
mod scale;
#[cfg(test)]
mod tests;

/// What is accepted and what is sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLimits {
    /// The largest file that is looked at, in bytes.
    pub max_bytes: u64,
    /// The largest picture that is decoded, in pixels of four bytes; deeper samples lower it.
    pub max_pixels: u64,
    /// The longest side that is sent on, in pixels. Larger pictures are scaled down.
    pub max_side: u32,
    /// The largest file that is sent on, in bytes. Larger ones are encoded again, smaller.
    pub out_max_bytes: u64,
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self { max_bytes: 20 << 20, max_pixels: 50_000_000, max_side: 4096, out_max_bytes: 10 << 20 }
    }
}

/// A picture that `vision` takes.
#[derive(Clone, PartialEq, Eq)]
pub struct Ready {
    pub bytes: Bytes,
    /// `image.png`, `image.jpg`, `image.gif` or `image.tiff`: the name agrees with the bytes, whatever the sender called it.
    pub file_name: String,
    pub content_type: &'static str,
    /// In pixels, as the file's header says: a rotation that stands in the metadata of an untouched picture is not applied.
    pub width: u32,
    pub height: u32,
}

impl fmt::Debug for Ready {
    /// Without the bytes: they are what somebody sent, and have no place in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, file_name, content_type, width, height } = self;
        write!(f, "Ready({file_name}, {content_type}, {width}x{height}, {} bytes)", bytes.len())
    }
}

/// Why a picture cannot be sent on. None of them goes away by trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ImageProblem {
    /// More than [`ImageLimits::max_bytes`].
    #[error("the file is too large")]
    TooLarge,
    /// More than [`ImageLimits::max_pixels`], or samples so deep that it comes to the same.
    #[error("the image has too many pixels")]
    TooManyPixels,
    /// Not an image, or of a kind that cannot be read here (heic, avif, svg).
    #[error("the file is not an image of a known kind")]
    NotAnImage,
    /// An image by its first bytes, but truncated or damaged.
    #[error("the image is truncated or damaged")]
    Broken,
}

/// Makes `bytes` into what `vision` takes. Judged by the bytes alone; names and declared types are not asked.
///
/// A permit is held for as long as a decoder runs, even when the caller stops waiting: hence the `Arc`.
pub async fn prepare(bytes: Bytes, limits: &ImageLimits, permits: &Arc<Semaphore>) -> Result<Ready, ImageProblem> {
    let work = match examine(bytes, limits)? {
        Found::Ready(ready) => return Ok(ready),
        Found::Convert(work) => work,
    };
    // Nobody closes the semaphore; if somebody did, no decoder should start.
    let permit = permits.clone().acquire_owned().await.map_err(|_| ImageProblem::Broken)?;
    let limits = limits.clone();
    // Decoders parse hostile input: a panic in one of them is an answer about this picture, nothing more.
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        convert::convert(&work, &limits)
    })
    .await
    .unwrap_or(Err(ImageProblem::Broken))
}

/// What the headers say is to be done.
#[derive(Debug)]
enum Found {
    Ready(Ready),
    Convert(Work),
}

/// A picture to decode.
#[derive(Debug)]
struct Work {
    bytes: Bytes,
    format: ImageFormat,
}

/// Cheap enough for an async thread: reads headers and hops from block to block.
///
/// Whether a picture is complete is judged by walking its blocks, not by decoding: a decode costs a hundred milliseconds
/// and tens of megabytes for a phone's photo, and what it would find beyond a truncated upload (damaged pixels) is for
/// `vision` to see. A truncated picture must be caught here, because a server error about it would look like an outage
/// and be tried again.
fn examine(bytes: Bytes, limits: &ImageLimits) -> Result<Found, ImageProblem> {
    let size = bytes.len() as u64;
    if size > limits.max_bytes {
        return Err(ImageProblem::TooLarge);
    }
    let format = headers::sniff(&bytes).ok_or(ImageProblem::NotAnImage)?;
    let (bytes, format) = match headers::png_in_ico(&bytes).filter(|_| format == ImageFormat::Ico) {
        Some(range) => (bytes.slice(range), ImageFormat::Png),
        None => (bytes, format),
    };
    let (width, height) = match format {
        ImageFormat::Png => headers::png(&bytes)?,
        ImageFormat::Jpeg => headers::jpeg(&bytes)?,
        ImageFormat::Gif => headers::gif(&bytes)?,
        ImageFormat::Tiff => headers::tiff(&bytes)?,
        ImageFormat::WebP => headers::webp(&bytes)?,
        // Their decoders read the header alone when they are built; `convert` judges it before any pixel is decoded.
        _ => return Ok(Found::Convert(Work { bytes, format })),
    };
    if width == 0 || height == 0 {
        return Err(ImageProblem::Broken);
    }
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(ImageProblem::TooManyPixels);
    }
    let fits = size <= limits.out_max_bytes && width.max(height) <= limits.max_side;
    if fits && format != ImageFormat::WebP {
        return Ok(Found::Ready(ready(bytes, format, width, height)));
    }
    Ok(Found::Convert(Work { bytes, format }))
}

fn ready(bytes: Bytes, format: ImageFormat, width: u32, height: u32) -> Ready {
    let (extension, content_type) = match format {
        ImageFormat::Png => ("png", "image/png"),
        ImageFormat::Gif => ("gif", "image/gif"),
        ImageFormat::Tiff => ("tiff", "image/tiff"),
        _ => ("jpg", "image/jpeg"),
    };
    Ready { bytes, file_name: format!("image.{extension}"), content_type, width, height }
}
