use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GrayImage, ImageEncoder, Rgb, RgbImage, Rgba, RgbaImage};

use super::hostile::{one_thread, peak_of};
use super::*;

// ── Pictures to try ─────────────────────────────────────────────────────────────────────────────────────────────────

/// Noise, so that there are many colours and nothing compresses well.
pub(super) fn photo(width: u32, height: u32) -> DynamicImage {
    let mut random = fastrand::Rng::with_seed(7);
    RgbImage::from_fn(width, height, |_, _| Rgb([random.u8(..), random.u8(..), random.u8(..)])).into()
}

/// A red square with a transparent lower half.
pub(super) fn sticker(width: u32, height: u32) -> DynamicImage {
    RgbaImage::from_fn(width, height, |_, y| if y < height / 2 { Rgba([255, 0, 0, 255]) } else { Rgba([0, 255, 0, 0]) })
        .into()
}

/// Left half black, right half white.
pub(super) fn drawing(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, _| Rgb([if x < width / 2 { 0 } else { 255 }; 3])).into()
}

pub(super) fn encoded(image: &DynamicImage, format: ImageFormat) -> Bytes {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    let mut bytes = bytes.into_inner();
    if format == ImageFormat::Tga {
        bytes.extend([0; 8]);
        bytes.extend(b"TRUEVISION-XFILE.\0");
    }
    bytes.into()
}

fn chunk(kind: &[u8; 4], body: &[u8], big_endian: bool) -> Vec<u8> {
    let length = body.len() as u32;
    let mut bytes = Vec::new();
    if big_endian {
        bytes.extend(length.to_be_bytes());
        bytes.extend(kind);
        bytes.extend(body);
        bytes.extend([0; 4]);
    } else {
        bytes.extend(kind);
        bytes.extend(length.to_le_bytes());
        bytes.extend(body);
        bytes.extend(vec![0; body.len() % 2]);
    }
    bytes
}

fn riff(chunks: &[Vec<u8>]) -> Bytes {
    let body = [b"WEBP".to_vec(), chunks.concat()].concat();
    [b"RIFF".to_vec(), (body.len() as u32).to_le_bytes().to_vec(), body].concat().into()
}

/// The image chunk of an encoded webp.
fn webp_frame(image: &DynamicImage) -> Vec<u8> {
    encoded(image, ImageFormat::WebP)[12..].to_vec()
}

fn le24(n: u32) -> [u8; 3] {
    let [a, b, c, _] = n.to_le_bytes();
    [a, b, c]
}

pub(super) fn animated_webp(width: u32, height: u32, frames: &[DynamicImage]) -> Bytes {
    let canvas = [le24(width - 1), le24(height - 1)].concat();
    let mut chunks = vec![chunk(b"VP8X", &[vec![0b0001_0010, 0, 0, 0], canvas].concat(), false)];
    chunks.push(chunk(b"ANIM", &[0; 6], false));
    for frame in frames {
        let size = [le24(frame.width() - 1), le24(frame.height() - 1)].concat();
        let body = [vec![0; 6], size, vec![100, 0, 0, 0], webp_frame(frame)].concat();
        chunks.push(chunk(b"ANMF", &body, false));
    }
    riff(&chunks)
}

/// A jpeg whose EXIF says that it must be turned.
pub(super) fn turned_jpeg(image: &DynamicImage, orientation: u8) -> Bytes {
    let exif =
        [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec(), vec![orientation, 0, 0, 0, 0, 0, 0, 0]].concat();
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.write_image(image.as_bytes(), image.width(), image.height(), image.color().into()).unwrap();
    bytes.into()
}

fn decoded(ready: &Ready) -> DynamicImage {
    let image = image::load_from_memory(&ready.bytes).unwrap();
    assert_eq!((image.width(), image.height()), (ready.width, ready.height));
    image
}

pub(super) fn small() -> ImageLimits {
    ImageLimits { max_bytes: 4 << 20, max_pixels: 1_000_000, max_side: 512, out_max_bytes: 1 << 20 }
}

async fn try_with(bytes: impl Into<Bytes>, limits: &ImageLimits) -> Result<Ready, ImageProblem> {
    prepare(bytes.into(), limits, &Arc::new(Semaphore::new(1))).await
}

async fn try_small(bytes: impl Into<Bytes>) -> Result<Ready, ImageProblem> {
    try_with(bytes, &small()).await
}

// ── What passes ─────────────────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn accepted_formats_pass_untouched() {
    let cases = [
        (ImageFormat::Png, "image.png", "image/png"),
        (ImageFormat::Jpeg, "image.jpg", "image/jpeg"),
        (ImageFormat::Gif, "image.gif", "image/gif"),
        (ImageFormat::Tiff, "image.tiff", "image/tiff"),
    ];
    for (format, file_name, content_type) in cases {
        let bytes = encoded(&photo(40, 30), format);
        let ready = try_small(bytes.clone()).await.unwrap();
        assert_eq!(ready.bytes.as_ptr(), bytes.as_ptr(), "{format:?} was copied");
        assert_eq!(ready, Ready { bytes, file_name: file_name.into(), content_type, width: 40, height: 30 });
    }
}

#[tokio::test]
async fn a_tiff_that_cannot_be_decoded_here_passes_when_it_is_whole() {
    let mut bytes = encoded(&photo(40, 30), ImageFormat::Tiff).to_vec();
    let at = bytes.windows(4).position(|bytes| bytes == [0x03, 0x01, 0x03, 0x00]).unwrap();
    bytes[at + 8..at + 10].copy_from_slice(&[0x74, 0x87]); // a compression of scientific cameras
    assert_eq!(try_small(bytes.clone()).await.unwrap().content_type, "image/tiff");
    let limits = ImageLimits { max_side: 20, ..small() };
    assert_eq!(try_with(bytes.clone(), &limits).await, Err(ImageProblem::NotAnImage), "cannot be scaled");

    let at = bytes.windows(4).position(|bytes| bytes == [0x17, 0x01, 0x04, 0x00]).unwrap();
    bytes[at + 10] = 1; // 65,536 bytes more than there are
    assert_eq!(try_small(bytes).await, Err(ImageProblem::Broken));
}

#[tokio::test]
async fn an_untouched_picture_needs_no_permit() {
    let closed = Arc::new(Semaphore::new(0));
    closed.close();
    assert!(prepare(encoded(&photo(8, 8), ImageFormat::Png), &small(), &closed).await.is_ok());
    assert_eq!(prepare(encoded(&photo(8, 8), ImageFormat::Bmp), &small(), &closed).await, Err(ImageProblem::Broken));
}

#[tokio::test]
async fn padding_behind_a_picture_does_no_harm() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif] {
        let bytes = [encoded(&photo(8, 8), format).as_ref(), &[0; 100]].concat();
        assert!(try_small(bytes).await.is_ok(), "{format:?}");
    }
}

#[tokio::test]
async fn an_animation_cut_after_its_first_frame_passes() {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for _ in 0..2 {
        encoder.encode_frame(image::Frame::new(photo(30, 30).into_rgba8())).unwrap();
    }
    drop(encoder);
    assert!(try_small(bytes.clone()).await.is_ok());
    bytes.truncate(bytes.len() - 100);
    assert!(try_small(bytes.clone()).await.is_ok());
    bytes.truncate(bytes.len() / 3);
    assert_eq!(try_small(bytes).await, Err(ImageProblem::Broken));
}

// ── What is converted ───────────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn other_formats_become_png_or_jpeg() {
    for format in [ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Qoi, ImageFormat::Pnm, ImageFormat::Tga] {
        let ready = try_small(encoded(&photo(60, 40), format)).await.unwrap_or_else(|e| panic!("{format:?}: {e}"));
        assert_eq!((ready.file_name.as_str(), ready.content_type), ("image.jpg", "image/jpeg"), "{format:?}");
        assert_eq!(decoded(&ready).width(), 60);

        let ready = try_small(encoded(&drawing(60, 40), format)).await.unwrap();
        assert_eq!((ready.file_name.as_str(), ready.content_type), ("image.png", "image/png"), "{format:?}");
        assert_eq!(decoded(&ready).into_rgb8(), drawing(60, 40).into_rgb8(), "{format:?}");
    }
}

#[tokio::test]
async fn transparency_is_kept() {
    for format in [ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Qoi, ImageFormat::Tga] {
        let ready = try_small(encoded(&sticker(32, 32), format)).await.unwrap();
        let image = decoded(&ready).into_rgba8();
        assert_eq!((image.get_pixel(5, 5).0, image.get_pixel(5, 30).0[3]), ([255, 0, 0, 255], 0), "{format:?}");
    }
}

#[tokio::test]
async fn the_first_frame_of_an_animated_webp_is_taken() {
    let frames = [drawing(40, 40), sticker(40, 40)];
    let ready = try_small(animated_webp(40, 40, &frames)).await.unwrap();
    let image = decoded(&ready).into_rgb8();
    // The decoder blends frames with the canvas and loses a shade on the way.
    assert!(image.get_pixel(2, 2).0[0] < 3 && image.get_pixel(38, 38).0[1] > 252);
}

#[tokio::test]
async fn an_icon_is_read() {
    // The encoder writes a png into the ico: it comes out as it is.
    let ready = try_small(encoded(&sticker(32, 32), ImageFormat::Ico)).await.unwrap();
    assert_eq!((ready.file_name.as_str(), ready.width), ("image.png", 32));

    // 2 x 2 pixels as a bitmap: its header counts the rows of the mask too.
    let bitmap =
        [vec![40, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 32, 0], vec![0; 24], vec![200; 16], vec![0; 8]].concat();
    let entry =
        [vec![2, 2, 0, 0, 1, 0, 32, 0], (bitmap.len() as u32).to_le_bytes().to_vec(), vec![22, 0, 0, 0]].concat();
    let ready = try_small([vec![0, 0, 1, 0, 1, 0], entry, bitmap].concat()).await.unwrap();
    assert_eq!(decoded(&ready).into_rgba8().get_pixel(0, 0).0, [200; 4]);
}

#[tokio::test]
async fn large_pictures_are_scaled_down() {
    let strip = try_with(encoded(&photo(12_000, 10), ImageFormat::Png), &ImageLimits::default()).await.unwrap();
    assert_eq!((strip.width, strip.height, strip.file_name.as_str()), (4096, 3, "image.jpg"));
    decoded(&strip);

    let hair = try_small(encoded(&photo(1, 3000), ImageFormat::Png)).await.unwrap();
    assert_eq!((hair.width, hair.height), (1, 512));

    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::Tiff, ImageFormat::WebP] {
        let ready = try_small(encoded(&drawing(1000, 500), format)).await.unwrap();
        assert_eq!((ready.width, ready.height), (512, 256), "{format:?}");
        let image = decoded(&ready).into_rgb8();
        assert!(image.get_pixel(10, 200).0[0] < 10 && image.get_pixel(500, 200).0[0] > 245, "{format:?}");
    }
}

#[tokio::test]
async fn a_file_too_large_to_send_is_made_smaller() {
    let limits = ImageLimits { out_max_bytes: 20_000, ..small() };
    for (image, format) in [
        (photo(400, 300), ImageFormat::Png),
        (photo(400, 300), ImageFormat::Jpeg),
        (photo(400, 300), ImageFormat::Tiff),
    ] {
        let ready = try_with(encoded(&image, format), &limits).await.unwrap();
        assert!(ready.bytes.len() <= 20_000, "{format:?}");
        let shape = f64::from(ready.width) / f64::from(ready.height);
        assert!((shape - 4.0 / 3.0).abs() < 0.05, "{ready:?}");
        decoded(&ready);
    }
    // A transparent one that png cannot make small enough stands on white.
    let mut noisy = photo(300, 300).into_rgba8();
    noisy.put_pixel(0, 0, Rgba([0; 4]));
    let ready = try_with(encoded(&noisy.into(), ImageFormat::WebP), &ImageLimits { out_max_bytes: 100_000, ..small() })
        .await
        .unwrap();
    assert_eq!(ready.content_type, "image/jpeg");
}

#[tokio::test]
async fn a_turned_jpeg_is_turned_when_it_is_encoded_again() {
    // Black left, white right; a quarter turn clockwise puts black on top.
    let bytes = turned_jpeg(&drawing(800, 400), 6);
    let ready = try_small(bytes).await.unwrap();
    assert_eq!((ready.width, ready.height), (256, 512));
    let image = decoded(&ready).into_rgb8();
    assert!(image.get_pixel(128, 20).0[0] < 10 && image.get_pixel(128, 490).0[0] > 245);

    let bytes = turned_jpeg(&drawing(80, 40), 6);
    let ready = try_small(bytes.clone()).await.unwrap();
    assert_eq!((ready.bytes, ready.width, ready.height), (bytes, 80, 40), "untouched: the reader turns it");
}

#[tokio::test]
async fn sixteen_bit_and_grey_pictures_are_read() {
    let deep = DynamicImage::ImageRgb16(photo(1000, 10).into_rgb16());
    assert_eq!(try_small(encoded(&deep, ImageFormat::Png)).await.unwrap().width, 512);
    let grey = DynamicImage::ImageLuma8(GrayImage::from_pixel(1000, 10, image::Luma([77])));
    let ready = try_small(encoded(&grey, ImageFormat::Jpeg)).await.unwrap();
    assert_eq!(decoded(&ready).into_rgb8().get_pixel(100, 1).0, [77; 3]);
}

#[test]
fn scaling_averages_by_area() {
    let stripes = RgbImage::from_fn(6, 1, |x, _| Rgb([if x % 2 == 0 { 0 } else { 200 }; 3]));
    assert_eq!(scale::down(&stripes, 3, 1).pixels().map(|p| p.0[0]).collect::<Vec<_>>(), [100, 100, 100]);
    // 3 -> 2: a pixel and a half each.
    let three = RgbImage::from_fn(3, 1, |x, _| Rgb([[0, 90, 240][x as usize]; 3]));
    assert_eq!(scale::down(&three, 2, 1).pixels().map(|p| p.0[0]).collect::<Vec<_>>(), [30, 190]);
    // What is invisible has no colour.
    let edge = RgbaImage::from_fn(2, 1, |x, _| if x == 0 { Rgba([255, 0, 0, 255]) } else { Rgba([0, 255, 0, 0]) });
    assert_eq!(scale::down(&edge, 1, 1).get_pixel(0, 0).0, [255, 0, 0, 128]);
}

// ── What is refused ─────────────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn what_is_not_an_image_is_named_so() {
    let heic: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    for bytes in [
        &b""[..],
        b"\xff",
        b"hello",
        b"<!DOCTYPE html><html>502</html>",
        b"BMW is a car",
        b"%PDF-1.7",
        b"<svg/>",
        heic,
        b"P6 \nx",
        &[0; 64],
    ] {
        assert_eq!(try_small(Bytes::from_static(bytes)).await, Err(ImageProblem::NotAnImage), "{bytes:?}");
    }
}

#[tokio::test]
async fn truncated_pictures_are_broken() {
    let formats = [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Gif,
        ImageFormat::Tiff,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Qoi,
    ];
    for format in formats {
        let whole = encoded(&photo(40, 30), format);
        for percent in [30, 60, 90] {
            let cut = whole.slice(..whole.len() * percent / 100);
            assert_eq!(try_small(cut).await, Err(ImageProblem::Broken), "{format:?} at {percent} %");
        }
    }
}

#[tokio::test]
async fn bombs_are_refused_by_their_header() {
    let side = 60_000u32;
    let png = {
        let ihdr = [&side.to_be_bytes()[..], &side.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
        [
            b"\x89PNG\r\n\x1a\n".to_vec(),
            chunk(b"IHDR", &ihdr, true),
            chunk(b"IDAT", &[0; 20], true),
            chunk(b"IEND", &[], true),
        ]
        .concat()
    };
    let mut jpeg = encoded(&photo(8, 8), ImageFormat::Jpeg).to_vec();
    let sof = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[sof + 5..sof + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    let mut gif = encoded(&photo(8, 8), ImageFormat::Gif).to_vec();
    gif[6..10].copy_from_slice(&[0x60, 0xea, 0x60, 0xea]);
    let mut bmp = encoded(&photo(8, 8), ImageFormat::Bmp).to_vec();
    bmp[18..22].copy_from_slice(&side.to_le_bytes());
    bmp[22..26].copy_from_slice(&side.to_le_bytes());
    let mut qoi = encoded(&photo(8, 8), ImageFormat::Qoi).to_vec();
    qoi[4..8].copy_from_slice(&10_000u32.to_be_bytes());
    qoi[8..12].copy_from_slice(&10_000u32.to_be_bytes());
    let pnm = b"P6 60000 60000 255\n".to_vec();
    let mut tiff = encoded(&photo(8, 8), ImageFormat::Tiff).to_vec();
    for tag in [0x100u16, 0x101] {
        let entry = [tag.to_le_bytes(), 4u16.to_le_bytes()].concat();
        let at = tiff.windows(4).position(|bytes| bytes == entry).unwrap();
        tiff[at + 8..at + 12].copy_from_slice(&side.to_le_bytes());
    }
    let webp_canvas =
        riff(&[chunk(b"VP8X", &[&[0; 4][..], &le24(16_000), &le24(16_000)].concat(), false), webp_frame(&photo(8, 8))])
            .to_vec();
    // The canvas is small, the frame is not.
    let lossy = [&[0, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f][..], &[0; 50]].concat();
    let webp_frame =
        riff(&[chunk(b"VP8X", &[&[0; 4][..], &le24(1), &le24(1)].concat(), false), chunk(b"VP8 ", &lossy, false)])
            .to_vec();
    let webp_inner = {
        let frame =
            [vec![0; 6], le24(15_999).to_vec(), le24(15_999).to_vec(), vec![0; 4], chunk(b"VP8 ", &lossy, false)]
                .concat();
        riff(&[chunk(b"VP8X", &[&[2, 0, 0, 0][..], &le24(1), &le24(1)].concat(), false), chunk(b"ANMF", &frame, false)])
            .to_vec()
    };
    let ico = {
        let entry =
            [vec![0, 0, 0, 0, 1, 0, 32, 0], (png.len() as u32).to_le_bytes().to_vec(), vec![22, 0, 0, 0]].concat();
        [vec![0, 0, 1, 0, 1, 0], entry, png.clone()].concat()
    };
    let bombs = [
        ("png", png),
        ("jpeg", jpeg),
        ("gif", gif),
        ("bmp", bmp),
        ("qoi", qoi),
        ("pnm", pnm),
        ("tiff", tiff),
        ("webp canvas", webp_canvas),
        ("webp frame", webp_frame),
        ("webp inner", webp_inner),
        ("ico", ico),
    ];
    for (name, bomb) in bombs {
        let bytes = Bytes::from(bomb);
        assert_eq!(try_with(bytes.clone(), &ImageLimits::default()).await, Err(ImageProblem::TooManyPixels), "{name}");
        let (_, peak) = peak_of(|| one_thread(bytes, &ImageLimits::default()));
        assert!(peak < 1 << 20, "{name}: {peak} bytes");
    }
}

#[tokio::test]
async fn the_limits_are_exact() {
    let bytes = encoded(&photo(100, 100), ImageFormat::Bmp);
    let size = bytes.len() as u64;
    assert!(try_with(bytes.clone(), &ImageLimits { max_bytes: size, max_pixels: 10_000, ..small() }).await.is_ok());
    assert_eq!(
        try_with(bytes.clone(), &ImageLimits { max_bytes: size - 1, ..small() }).await,
        Err(ImageProblem::TooLarge)
    );
    assert_eq!(try_with(bytes, &ImageLimits { max_pixels: 9_999, ..small() }).await, Err(ImageProblem::TooManyPixels));
    // Deep samples count for what they take.
    let deep = encoded(&DynamicImage::ImageRgba16(photo(600, 100).into_rgba16()), ImageFormat::Png);
    assert_eq!(try_with(deep, &ImageLimits { max_pixels: 60_000, ..small() }).await, Err(ImageProblem::TooManyPixels));
}

#[tokio::test]
async fn a_permit_is_held_while_a_decoder_runs_and_given_back() {
    let permits = Arc::new(Semaphore::new(1));
    let held = permits.clone().acquire_owned().await.unwrap();
    let bytes = encoded(&photo(50, 50), ImageFormat::Bmp);
    let limits = small();
    let mut waiting = Box::pin(prepare(bytes, &limits, &permits));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    drop(held);
    assert!(waiting.await.is_ok());
    assert_eq!(permits.available_permits(), 1);
    // Also when the picture is bad.
    assert!(prepare(Bytes::from_static(b"qoif"), &limits, &permits).await.is_err());
    assert_eq!(permits.available_permits(), 1);
}

#[test]
fn what_was_sent_is_not_printed() {
    let ready = ready(Bytes::from_static(b"secret"), ImageFormat::Png, 3, 2);
    assert_eq!(format!("{ready:?}"), "Ready(image.png, image/png, 3x2, 6 bytes)");
}
