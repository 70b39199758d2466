//! Functions over windows of histograms; their arithmetic is not here yet, so they have no results.

use std::sync::Arc;

use super::window::WindowContext;
use crate::promql::{Annotations, FloatHistogram, Point, Slice, Window};

type Histograms<'a> = Slice<'a, Arc<FloatHistogram>>;

pub(super) fn detect_reset(_: &FloatHistogram, _: &FloatHistogram) -> bool {
    false
}

pub(super) fn equals(left: &FloatHistogram, right: &FloatHistogram) -> bool {
    left == right
}

pub(super) fn smoothed_at(_: Histograms<'_>, _: i64, _: &WindowContext<'_>, _: &mut Annotations) -> Option<Point> {
    None
}

pub(super) fn of_last_two(_: Window<'_>, _: &WindowContext<'_>, _: &mut Annotations, _: bool) -> Option<Point> {
    None
}

pub(super) fn rate(_: Window<'_>, _: &WindowContext<'_>, _: &mut Annotations) -> Option<Point> {
    None
}

pub(super) fn increase(_: Window<'_>, _: &WindowContext<'_>, _: &mut Annotations) -> Option<Point> {
    None
}

pub(super) fn delta(_: Window<'_>, _: &WindowContext<'_>, _: &mut Annotations) -> Option<Point> {
    None
}

pub(super) fn sum(_: Window<'_>, _: &WindowContext<'_>, _: &mut Annotations) -> Option<Point> {
    None
}

pub(super) fn avg(_: Window<'_>, _: &WindowContext<'_>, _: &mut Annotations) -> Option<Point> {
    None
}
