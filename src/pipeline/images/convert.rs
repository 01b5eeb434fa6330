//! Decodes a picture, turns and scales it, and encodes it as png or jpeg.

use std::collections::HashSet;
use std::io::Cursor;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::metadata::Orientation;
use image::{
    DynamicImage, ExtendedColorType, ImageBuffer, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader,
    ImageResult, RgbImage, RgbaImage,
};

use super::{ImageLimits, ImageProblem, Ready, Work, ready, scale};

const JPEG_QUALITY: u8 = 85;
/// Up to so many colours it is a drawing or a screenshot, which png keeps sharp and small.
const FEW_COLOURS: usize = 256;

/// Blocks for as long as decoding and encoding take. Panics when a decoder does.
pub(super) fn convert(work: &Work, limits: &ImageLimits) -> Result<Ready, ImageProblem> {
    let image = decode(work, limits)?;
    encode(Picture::scaled(image, limits.max_side), limits.out_max_bytes).map_err(|_| ImageProblem::Broken)
}

fn decode(work: &Work, limits: &ImageLimits) -> Result<DynamicImage, ImageProblem> {
    let budget = limits.max_pixels.saturating_mul(4);
    let mut bounds = image::Limits::default();
    bounds.max_alloc = Some(budget);
    let mut reader = ImageReader::with_format(Cursor::new(&work.bytes[..]), work.format);
    reader.limits(bounds);
    let mut decoder = reader.into_decoder().map_err(|error| match (problem(&error), work.format) {
        // These are known by so few bytes that a header which makes no sense means that it is something else.
        (ImageProblem::Broken, ImageFormat::Bmp | ImageFormat::Ico | ImageFormat::Pnm | ImageFormat::Tga) => {
            ImageProblem::NotAnImage
        }
        (problem, _) => problem,
    })?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(ImageProblem::Broken);
    }
    // Before a single pixel is decoded: a header is all that a decompression bomb needs to be known by.
    if u64::from(width) * u64::from(height) > limits.max_pixels || decoder.total_bytes() > budget {
        return Err(ImageProblem::TooManyPixels);
    }
    // Damaged metadata does not spoil a picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| problem(&error))?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn problem(error: &ImageError) -> ImageProblem {
    match error {
        ImageError::Limits(_) => ImageProblem::TooManyPixels,
        // A known family, but not this member of it.
        ImageError::Unsupported(_) => ImageProblem::NotAnImage,
        _ => ImageProblem::Broken,
    }
}

/// The two kinds of picture that are encoded.
enum Picture {
    Opaque(RgbImage),
    /// At least one pixel is not opaque.
    Transparent(RgbaImage),
}

impl Picture {
    fn scaled(image: DynamicImage, max_side: u32) -> Self {
        if image.color().has_alpha() {
            Self::of(shrink(image.into_rgba8(), max_side))
        } else {
            Self::Opaque(shrink(image.into_rgb8(), max_side))
        }
    }

    fn of(image: RgbaImage) -> Self {
        if image.pixels().any(|pixel| pixel.0[3] != 255) {
            Self::Transparent(image)
        } else {
            Self::Opaque(DynamicImage::ImageRgba8(image).into_rgb8())
        }
    }

    fn has_few_colours(&self) -> bool {
        let Self::Opaque(image) = self else { return false };
        let mut seen = HashSet::with_capacity(FEW_COLOURS + 1);
        // Ends early for a photo: after some rows at most.
        image.pixels().all(|pixel| {
            seen.insert(pixel.0);
            seen.len() <= FEW_COLOURS
        })
    }
}

fn shrink<P: scale::Sample>(image: ImageBuffer<P, Vec<u8>>, max_side: u32) -> ImageBuffer<P, Vec<u8>> {
    match scale::target(image.width(), image.height(), max_side) {
        Some((width, height)) => scale::down(&image, width, height),
        None => image,
    }
}

/// Png where that is the better choice and small enough, else jpeg, halved until it is small enough.
fn encode(mut picture: Picture, max_bytes: u64) -> ImageResult<Ready> {
    if matches!(picture, Picture::Transparent(_)) || picture.has_few_colours() {
        let encoded = png(&picture)?;
        if encoded.bytes.len() as u64 <= max_bytes {
            return Ok(encoded);
        }
    }
    loop {
        let opaque = match picture {
            Picture::Opaque(image) => image,
            Picture::Transparent(image) => on_white(&image),
        };
        let (width, height) = opaque.dimensions();
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).write_image(
            &opaque,
            width,
            height,
            ExtendedColorType::Rgb8,
        )?;
        // One pixel cannot be made smaller; a limit below that is a mistake that `vision` may judge.
        if bytes.len() as u64 <= max_bytes || width.max(height) == 1 {
            return Ok(ready(Bytes::from(bytes), ImageFormat::Jpeg, width, height));
        }
        picture = Picture::Opaque(shrink(opaque, width.max(height).div_ceil(2)));
    }
}

fn png(picture: &Picture) -> ImageResult<Ready> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new(&mut bytes);
    let (width, height) = match picture {
        Picture::Opaque(image) => {
            encoder.write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8)?;
            image.dimensions()
        }
        Picture::Transparent(image) => {
            encoder.write_image(image, image.width(), image.height(), ExtendedColorType::Rgba8)?;
            image.dimensions()
        }
    };
    Ok(ready(Bytes::from(bytes), ImageFormat::Png, width, height))
}

fn on_white(image: &RgbaImage) -> RgbImage {
    ImageBuffer::from_fn(image.width(), image.height(), |x, y| {
        let [r, g, b, a] = image.get_pixel(x, y).0.map(u32::from);
        image::Rgb([r, g, b].map(|channel| ((channel * a + 255 * (255 - a) + 127) / 255) as u8))
    })
}
