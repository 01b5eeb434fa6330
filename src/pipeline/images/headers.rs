//! What the headers say: the format, the size, and whether the file is all there. Copies no pixels.

use std::ops::Range;

use image::ImageFormat;

use super::ImageProblem::{self, Broken};

type Size = (u32, u32);

/// The format by its first bytes (a tga: by its last).
pub(super) fn sniff(bytes: &[u8]) -> Option<ImageFormat> {
    let format = match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => ImageFormat::Png,
        [0xff, 0xd8, 0xff, ..] => ImageFormat::Jpeg,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => ImageFormat::Gif,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => ImageFormat::WebP,
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => ImageFormat::Tiff,
        [0, 0, 1, 0, ..] => ImageFormat::Ico,
        [b'q', b'o', b'i', b'f', ..] => ImageFormat::Qoi,
        // Two letters are little to go by (a text may begin with "BM"): look at what must follow them as well.
        [b'B', b'M', ..] if bytes.get(6..10) == Some(&[0; 4]) => ImageFormat::Bmp,
        [b'P', b'1'..=b'7', c, ..] if c.is_ascii_whitespace() || *c == b'#' => ImageFormat::Pnm,
        _ if bytes.ends_with(b"TRUEVISION-XFILE.\0") => ImageFormat::Tga,
        _ => return None,
    };
    Some(format)
}

/// Walks the chunks to `IEND`.
pub(super) fn png(bytes: &[u8]) -> Result<Size, ImageProblem> {
    let mut at = 8;
    let mut size = None;
    let mut has_data = false;
    loop {
        let header = slice(bytes, at, 8)?;
        let length = be32(header)? as usize;
        let body = slice(bytes, at + 8, length)?;
        match &header[4..] {
            b"IHDR" => size = Some((be32(body)?, be32(slice(body, 4, 4)?)?)),
            b"IDAT" => has_data = true,
            b"IEND" => return size.filter(|_| has_data).ok_or(Broken),
            _ => {}
        }
        at += 12 + length;
    }
}

/// Walks the segments to the first scan, then looks for the end of the image behind it.
pub(super) fn jpeg(bytes: &[u8]) -> Result<Size, ImageProblem> {
    let mut at = 2;
    let mut size = None;
    loop {
        let marker = match slice(bytes, at, 2)? {
            // Fill bytes may stand before a marker, and some writers leave a stray byte between segments.
            [0xff, 0xff] => {
                at += 1;
                continue;
            }
            [0xff, marker] => *marker,
            _ => {
                at += 1;
                continue;
            }
        };
        at += 2;
        match marker {
            0x00 | 0x01 | 0xd0..=0xd8 => continue,
            0xd9 => return Err(Broken),
            _ => {}
        }
        let length = usize::from(be16(slice(bytes, at, 2)?)?);
        let body = slice(bytes, at + 2, length.checked_sub(2).ok_or(Broken)?)?;
        match marker {
            0xc4 | 0xc8 | 0xcc => {}
            0xc0..=0xcf => {
                let (height, width) = (be16(slice(body, 1, 2)?)?, be16(slice(body, 3, 2)?)?);
                size = Some((u32::from(width), u32::from(height)));
            }
            // Within a scan a 0xff of the data is followed by a zero, so that this pair is the end and nothing else. It is
            // searched from the back, where it usually is: cameras append previews and padding.
            0xda => {
                let complete = bytes[at + length..].windows(2).rev().any(|pair| pair == [0xff, 0xd9]);
                return size.filter(|_| complete).ok_or(Broken);
            }
            _ => {}
        }
        at += length;
    }
}

/// Walks the blocks to the end of the first frame. A truncated animation that has it still shows a picture.
pub(super) fn gif(bytes: &[u8]) -> Result<Size, ImageProblem> {
    let screen = slice(bytes, 6, 7)?;
    let size = (u32::from(le16(screen)?), u32::from(le16(&screen[2..])?));
    let mut at = 13 + colour_table(screen[4]);
    // Real files have a handful of extensions before the first frame; the bound keeps the walk short.
    for _ in 0..100_000 {
        match slice(bytes, at, 1)?[0] {
            0x21 => at = sub_blocks(bytes, at + 2)?,
            0x2c => {
                let descriptor = slice(bytes, at, 10)?;
                sub_blocks(bytes, at + 11 + colour_table(descriptor[9]))?;
                return Ok(size);
            }
            _ => return Err(Broken),
        }
    }
    Err(Broken)
}

fn colour_table(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

fn sub_blocks(bytes: &[u8], mut at: usize) -> Result<usize, ImageProblem> {
    loop {
        match slice(bytes, at, 1)?[0] {
            0 => return Ok(at + 1),
            length => at += 1 + usize::from(length),
        }
    }
}

/// Reads the first directory, and whether the strips or tiles that it names are there.
pub(super) fn tiff(bytes: &[u8]) -> Result<Size, ImageProblem> {
    let little = bytes.first() == Some(&b'I');
    let short = |bytes| if little { le16(bytes) } else { be16(bytes) };
    let long = |bytes| if little { le32(bytes) } else { be32(bytes) };
    let at = long(slice(bytes, 4, 4)?)? as usize;
    let entries = usize::from(short(slice(bytes, at, 2)?)?);
    let directory = slice(bytes, at + 2, entries * 12)?;

    // The numbers under a tag: in the entry itself where they fit, else where it points to.
    let numbers = |tag: u16| -> Result<Vec<u32>, ImageProblem> {
        let Some(entry) = directory.chunks_exact(12).find(|entry| short(entry) == Ok(tag)) else {
            return Ok(Vec::new());
        };
        let count = long(&entry[4..])? as usize;
        let width = match short(&entry[2..])? {
            3 => 2,
            4 => 4,
            _ => return Err(Broken),
        };
        let length = count.checked_mul(width).ok_or(Broken)?;
        let values =
            if length <= 4 { &entry[8..8 + length] } else { slice(bytes, long(&entry[8..])? as usize, length)? };
        values
            .chunks_exact(width)
            .map(|value| if width == 2 { short(value).map(u32::from) } else { long(value) })
            .collect()
    };
    let one = |tag| numbers(tag)?.first().copied().ok_or(Broken);
    let size = (one(0x100)?, one(0x101)?);
    let (offsets, lengths) = match numbers(0x111)? {
        tiles if tiles.is_empty() => (numbers(0x144)?, numbers(0x145)?),
        strips => (strips, numbers(0x117)?),
    };
    // The lengths may be missing from very old files.
    let lengths = lengths.into_iter().chain(std::iter::repeat(0));
    let mut parts = offsets.iter().zip(lengths);
    if offsets.is_empty() || parts.any(|(start, length)| slice(bytes, *start as usize, length as usize).is_err()) {
        return Err(Broken);
    }
    Ok(size)
}

/// Walks the RIFF chunks. The size is the largest that any header in the file claims: the decoder allocates by a frame's
/// own size before it compares that with the canvas, and by a chunk's size before it reads the chunk.
pub(super) fn webp(bytes: &[u8]) -> Result<Size, ImageProblem> {
    let end = (le32(slice(bytes, 4, 4)?)? as usize).checked_add(8).filter(|end| *end <= bytes.len()).ok_or(Broken)?;
    webp_chunks(bytes.get(12..end).ok_or(Broken)?, true)
}

fn webp_chunks(bytes: &[u8], outermost: bool) -> Result<Size, ImageProblem> {
    let mut at = 0;
    let mut size = (0, 0);
    while at + 8 <= bytes.len() {
        let header = slice(bytes, at, 8)?;
        let length = le32(&header[4..])? as usize;
        let body = slice(bytes, at + 8, length)?;
        let claimed = match &header[..4] {
            b"VP8X" => (le24(slice(body, 4, 3)?) + 1, le24(slice(body, 7, 3)?) + 1),
            b"VP8 " => {
                let frame = slice(body, 6, 4)?;
                (u32::from(le16(frame)? & 0x3fff), u32::from(le16(&frame[2..])? & 0x3fff))
            }
            b"VP8L" => {
                let packed = le32(slice(body, 1, 4)?)?;
                ((packed & 0x3fff) + 1, ((packed >> 14) & 0x3fff) + 1)
            }
            // A frame of an animation has chunks of its own; frames do not nest.
            b"ANMF" if outermost => {
                let inner = webp_chunks(body.get(16..).ok_or(Broken)?, false)?;
                (inner.0.max(le24(&body[6..]) + 1), inner.1.max(le24(&body[9..]) + 1))
            }
            _ => (0, 0),
        };
        size = (size.0.max(claimed.0), size.1.max(claimed.1));
        at += 8 + length + (length & 1);
    }
    Ok(size)
}

/// Where the largest png of an ico file is. Taken out here, because the ico decoder reads an inner png without limits.
pub(super) fn png_in_ico(bytes: &[u8]) -> Option<Range<usize>> {
    let count = usize::from(le16(bytes.get(4..6)?).ok()?);
    let entries = bytes.get(6..)?.chunks_exact(16).take(count);
    entries
        .filter_map(|entry| {
            let start = le32(&entry[12..]).ok()? as usize;
            let end = start.checked_add(le32(&entry[8..]).ok()? as usize)?;
            (sniff(bytes.get(start..)?) == Some(ImageFormat::Png)).then_some(start..end.min(bytes.len()))
        })
        .max_by_key(Range::len)
}

fn slice(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], ImageProblem> {
    at.checked_add(length).and_then(|end| bytes.get(at..end)).ok_or(Broken)
}

fn be16(bytes: &[u8]) -> Result<u16, ImageProblem> {
    bytes.first_chunk().map(|b| u16::from_be_bytes(*b)).ok_or(Broken)
}

fn be32(bytes: &[u8]) -> Result<u32, ImageProblem> {
    bytes.first_chunk().map(|b| u32::from_be_bytes(*b)).ok_or(Broken)
}

fn le16(bytes: &[u8]) -> Result<u16, ImageProblem> {
    bytes.first_chunk().map(|b| u16::from_le_bytes(*b)).ok_or(Broken)
}

fn le32(bytes: &[u8]) -> Result<u32, ImageProblem> {
    bytes.first_chunk().map(|b| u32::from_le_bytes(*b)).ok_or(Broken)
}

fn le24(bytes: &[u8]) -> u32 {
    bytes.iter().take(3).rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}
