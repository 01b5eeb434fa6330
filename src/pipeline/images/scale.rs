//! Scaling down by area: each new pixel is the average of the old ones that it covers, in proportion.
//!
//! The `image` crate's filters keep the half-scaled picture in floating point (463 MB for a square of 50 megapixels), and
//! its `thumbnail` drops detail at ratios near one. This needs one row of sums.

use image::{ImageBuffer, Pixel, Rgb, Rgba};

/// The size to scale to so that no side is longer than `max_side`; `None` when none is.
pub(super) fn target(width: u32, height: u32, max_side: u32) -> Option<(u32, u32)> {
    let longest = width.max(height);
    if longest <= max_side {
        return None;
    }
    let scale = |side: u32| {
        let scaled = (u64::from(side) * u64::from(max_side) + u64::from(longest) / 2) / u64::from(longest);
        u32::try_from(scaled).unwrap_or(max_side).clamp(1, max_side)
    };
    Some((scale(width), scale(height)))
}

/// A pixel as the sums that an average is made of.
pub(super) trait Sample: Pixel<Subpixel = u8> + 'static {
    fn add(self, weight: f32, sums: &mut [f32; 4]);
    fn average(sums: &[f32; 4], weight: f32) -> Self;
}

impl Sample for Rgb<u8> {
    fn add(self, weight: f32, sums: &mut [f32; 4]) {
        for (sum, channel) in sums.iter_mut().zip(self.0) {
            *sum += weight * f32::from(channel);
        }
    }

    fn average(sums: &[f32; 4], weight: f32) -> Self {
        Self([0, 1, 2].map(|i| round(sums[i] / weight)))
    }
}

impl Sample for Rgba<u8> {
    /// A colour counts as much as it is opaque, or the invisible colour of transparent pixels would shine through at edges.
    fn add(self, weight: f32, sums: &mut [f32; 4]) {
        let [r, g, b, a] = self.0.map(f32::from);
        let opaque = weight * a;
        sums[0] += opaque * r;
        sums[1] += opaque * g;
        sums[2] += opaque * b;
        sums[3] += opaque;
    }

    fn average(sums: &[f32; 4], weight: f32) -> Self {
        let alpha = round(sums[3] / weight);
        if alpha == 0 {
            return Self([0; 4]);
        }
        Self([round(sums[0] / sums[3]), round(sums[1] / sums[3]), round(sums[2] / sums[3]), alpha])
    }
}

fn round(value: f32) -> u8 {
    // `as` saturates, and the value is never negative.
    (value + 0.5) as u8
}

/// Scales to a size that is not larger than the picture in either direction.
pub(super) fn down<P: Sample>(from: &ImageBuffer<P, Vec<u8>>, width: u32, height: u32) -> ImageBuffer<P, Vec<u8>> {
    let columns: Vec<Cover> = (0..width).map(|x| Cover::of(x, width, from.width())).collect();
    let weight_of_all = (from.width() as f32 / width as f32) * (from.height() as f32 / height as f32);
    let mut to = ImageBuffer::new(width, height);
    let mut sums = vec![[0f32; 4]; width as usize];
    for y in 0..height {
        sums.fill([0.0; 4]);
        for (row, row_weight) in Cover::of(y, height, from.height()).parts() {
            for (sum, column) in sums.iter_mut().zip(&columns) {
                for (x, weight) in column.parts() {
                    from.get_pixel(x, row).add(weight * row_weight, sum);
                }
            }
        }
        for (pixel, sum) in to.rows_mut().nth(y as usize).into_iter().flatten().zip(&sums) {
            *pixel = P::average(sum, weight_of_all);
        }
    }
    to
}

/// The old pixels under one new one, along one axis.
struct Cover {
    first: u32,
    /// One past the last.
    end: u32,
    first_weight: f32,
    last_weight: f32,
}

impl Cover {
    fn of(index: u32, new: u32, old: u32) -> Self {
        // In units of 1/new of an old pixel, exactly.
        let (index, new, old) = (u64::from(index), u64::from(new), u64::from(old));
        let (start, stop) = (index * old, (index + 1) * old);
        let (first, end) = (start / new, stop.div_ceil(new));
        let part = |units: u64| units as f32 / new as f32;
        Self {
            first: first as u32,
            end: end as u32,
            first_weight: part(((first + 1) * new).min(stop) - start),
            last_weight: part(stop - ((end - 1) * new).max(start)),
        }
    }

    fn parts(&self) -> impl Iterator<Item = (u32, f32)> {
        let &Self { first, end, first_weight, last_weight } = self;
        (first..end).map(move |i| {
            let weight = if i == first {
                first_weight
            } else if i + 1 == end {
                last_weight
            } else {
                1.0
            };
            (i, weight)
        })
    }
}
