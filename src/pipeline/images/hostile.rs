//! Hostile bytes: nothing panics past `prepare`, and nothing takes more memory than the module says.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use proptest::prelude::*;

use super::tests::{animated_webp, drawing, encoded, photo, small, sticker, turned_jpeg};
use super::*;

/// Counts what the current thread has allocated, so that a bound on memory is a fact and not a hope.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    let live = LIVE.get() + change;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

#[expect(unsafe_code, reason = "the trait is unsafe; everything is passed on to the system's allocator")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both live at once, at worst.
        count(size as isize);
        count(-(layout.size() as isize));
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

pub(super) fn peak_of<T>(work: impl FnOnce() -> T) -> (T, isize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    (result, PEAK.get() - before)
}

/// `prepare` without its threads, and so without its net below a decoder that panics.
pub(super) fn one_thread(bytes: Bytes, limits: &ImageLimits) -> Result<Ready, ImageProblem> {
    match examine(bytes, limits)? {
        Found::Ready(ready) => Ok(ready),
        Found::Convert(work) => convert::convert(&work, limits),
    }
}

fn check_hostile(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let limits = ImageLimits { max_pixels: 100_000, max_side: 64, out_max_bytes: 4_000, ..small() };
    // What the module promises, and a megabyte for tables.
    let tables = if headers::sniff(&bytes) == Some(ImageFormat::Tiff) { 32 << 20 } else { 1 << 20 };
    let bound = 12 * 100_000 + 3 * bytes.len() as isize + tables;
    let (result, peak) = peak_of(|| std::panic::catch_unwind(|| one_thread(bytes.into(), &limits)));
    prop_assert!(peak <= bound, "{} bytes at once", peak);
    if let Ok(Ok(ready)) = result {
        prop_assert!(ready.bytes.len() <= 4_000 && ready.width.max(ready.height) <= 64);
    }
    Ok(())
}

fn seeds() -> Vec<Vec<u8>> {
    let formats = [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Gif,
        ImageFormat::Tiff,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Qoi,
        ImageFormat::Pnm,
        ImageFormat::Tga,
    ];
    let mut seeds: Vec<Vec<u8>> = formats.iter().map(|format| encoded(&photo(90, 20), *format).to_vec()).collect();
    seeds.extend(formats.iter().map(|format| encoded(&drawing(70, 60), *format).to_vec()));
    seeds.push(encoded(&sticker(64, 64), ImageFormat::Ico).to_vec());
    seeds.push(animated_webp(70, 70, &[sticker(70, 70), sticker(20, 20)]).to_vec());
    seeds.push(turned_jpeg(&photo(80, 40), 8).to_vec());
    seeds
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_harmless(
        magic in prop::sample::select(seeds().iter().map(|seed| seed[..seed.len().min(16)].to_vec()).collect::<Vec<_>>()),
        keep in 0..16usize,
        tail in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        check_hostile([&magic[..keep.min(magic.len())], &tail].concat())?;
    }

    #[test]
    fn damaged_images_are_harmless(
        mut bytes in prop::sample::select(seeds()),
        // Most of what a decoder decides is decided in the first bytes.
        flips in prop::collection::vec((prop_oneof![3 => 0..64usize, 1 => 0..20_000usize], 0..8u32), 1..12),
        cut in prop_oneof![3 => Just(100), 1 => 0..100usize],
    ) {
        let length = bytes.len();
        for (at, bit) in flips {
            bytes[at % length] ^= 1 << bit;
        }
        bytes.truncate(length * cut / 100);
        check_hostile(bytes)?;
    }
}
