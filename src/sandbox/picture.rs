//! Looking at an image: format, size and main colours.

use std::io::Cursor;

use bytes::Bytes;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};

const MAX_SIDE: u32 = 16_384;
const MAX_DECODED: u64 = 256 * 1024 * 1024;
/// Colours are counted on a picture of at most this side.
const SAMPLE: u32 = 48;

/// What the sandbox saw.
pub(super) struct Seen {
    /// Like `a PNG picture, 640 × 480 pixels, mostly red and blue`.
    pub(super) words: String,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) colours: Vec<&'static str>,
}

/// The format by the first bytes, if `vision` takes it.
pub(super) fn format(bytes: &[u8]) -> Option<(ImageFormat, &'static str)> {
    match image::guess_format(bytes).ok()? {
        format @ ImageFormat::Png => Some((format, "png")),
        format @ ImageFormat::Jpeg => Some((format, "jpeg")),
        format @ ImageFormat::Gif => Some((format, "gif")),
        format @ ImageFormat::Tiff => Some((format, "tiff")),
        _ => None,
    }
}

/// Decodes the image. It takes a while: never on an async thread.
///
/// # Errors
/// A sentence when it cannot be decoded or is too large.
pub(super) fn look(bytes: &Bytes, format: ImageFormat, name: &str) -> Result<Seen, String> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let image = reader.decode().map_err(|error| format!("The image cannot be read: {error}"))?;
    let (width, height) = (image.width(), image.height());
    let colours = main_colours(&image);
    let words =
        format!("a {} picture, {width} × {height} pixels, mostly {}", name.to_uppercase(), colours.join(" and "));
    Ok(Seen { words, width, height, colours })
}

/// Up to three colours that each cover a tenth of the picture or more, the largest first.
fn main_colours(image: &DynamicImage) -> Vec<&'static str> {
    let sample = if image.width() > SAMPLE || image.height() > SAMPLE {
        image.thumbnail(SAMPLE, SAMPLE).to_rgba8()
    } else {
        image.to_rgba8()
    };
    let mut counts: Vec<(&'static str, u32)> = Vec::new();
    let mut total = 0;
    for pixel in sample.pixels() {
        let name = colour(pixel.0);
        total += 1;
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    // By name where equal, so that the answer does not depend on where a colour comes first.
    counts.sort_unstable_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let mut main: Vec<_> =
        counts.iter().take(3).filter(|(_, count)| count * 10 >= total).map(|(name, _)| *name).collect();
    if main.is_empty() {
        main.extend(counts.first().map(|(name, _)| *name));
    }
    main
}

fn colour([red, green, blue, alpha]: [u8; 4]) -> &'static str {
    if alpha < 64 {
        return "transparent";
    }
    let (red, green, blue) = (i32::from(red), i32::from(green), i32::from(blue));
    let (max, min) = (red.max(green).max(blue), red.min(green).min(blue));
    let spread = max - min;
    if spread * 6 < max || max < 40 {
        return match max {
            0..56 => "black",
            56..200 => "grey",
            _ => "white",
        };
    }
    let hue = if max == red {
        60 * (green - blue) / spread
    } else if max == green {
        120 + 60 * (blue - red) / spread
    } else {
        240 + 60 * (red - green) / spread
    };
    match hue.rem_euclid(360) {
        15..45 if max < 160 => "brown",
        15..45 => "orange",
        45..70 => "yellow",
        70..165 => "green",
        165..195 => "cyan",
        195..260 => "blue",
        260..316 => "purple",
        316..345 => "pink",
        _ if min > 140 => "pink",
        _ => "red",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_their_everyday_names() {
        for (rgb, name) in [
            ([255, 0, 0], "red"),
            ([0, 128, 0], "green"),
            ([0, 0, 255], "blue"),
            ([255, 255, 0], "yellow"),
            ([255, 165, 0], "orange"),
            ([139, 69, 19], "brown"),
            ([128, 0, 128], "purple"),
            ([75, 0, 130], "purple"),
            ([255, 192, 203], "pink"),
            ([255, 105, 180], "pink"),
            ([0, 255, 255], "cyan"),
            ([0, 0, 0], "black"),
            ([128, 128, 128], "grey"),
            ([255, 255, 255], "white"),
        ] {
            assert_eq!(colour([rgb[0], rgb[1], rgb[2], 255]), name, "{rgb:?}");
        }
    }
}
