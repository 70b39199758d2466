//! Results of queries as Prometheus writes them (`util/jsonutil`, `web/api/v1/json_codec.go`).

use std::fmt::Write as _;

use crate::{
    json::{push_array, push_object, push_str},
    labels::LabelSet,
    promql::{FloatHistogram, Point, Sample, Series, Value},
};

/// Appends `"resultType":…,"result":…`.
pub(super) fn push_result(out: &mut String, value: &Value) {
    let (kind, matrix) = match value {
        Value::Scalar { .. } => ("scalar", None),
        Value::String { .. } => ("string", None),
        Value::Vector(_) => ("vector", None),
        Value::Matrix(series) => ("matrix", Some(series)),
    };
    let _ = write!(out, "\"resultType\":\"{kind}\",\"result\":");
    match value {
        Value::Scalar { time, value } => push_float_pair(out, *time, *value),
        Value::String { time, value } => {
            out.push('[');
            push_time(out, *time);
            out.push(',');
            push_str(out, value, true);
            out.push(']');
        }
        Value::Vector(samples) => push_list(out, samples, push_sample),
        Value::Matrix(_) => push_list(out, matrix.into_iter().flatten(), push_series),
    }
}

fn push_list<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    each: impl Fn(&mut String, T),
) {
    out.push('[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(']');
}

/// Appends an object of label names and values.
pub(super) fn push_labels(out: &mut String, labels: &LabelSet) {
    push_object(out, |object| {
        for (name, value) in labels {
            object.text(name, value);
        }
    });
}

fn push_sample(out: &mut String, sample: &Sample) {
    out.push_str("{\"metric\":");
    push_labels(out, &sample.labels);
    match &sample.point {
        Point::Float(value) => {
            out.push_str(",\"value\":");
            push_float_pair(out, sample.time, *value);
        }
        Point::Histogram(histogram) => {
            out.push_str(",\"histogram\":");
            push_histogram_pair(out, sample.time, histogram);
        }
    }
    out.push('}');
}

fn push_series(out: &mut String, series: &Series) {
    out.push_str("{\"metric\":");
    push_labels(out, &series.labels);
    let floats = &series.floats;
    if !floats.times.is_empty() {
        out.push_str(",\"values\":");
        let points = floats.times.iter().zip(&floats.values);
        push_list(out, points, |out, (time, value)| {
            push_float_pair(out, *time, *value)
        });
    }
    let histograms = &series.histograms;
    if !histograms.times.is_empty() {
        out.push_str(",\"histograms\":");
        let points = histograms.times.iter().zip(&histograms.values);
        push_list(out, points, |out, (time, value)| {
            push_histogram_pair(out, *time, value)
        });
    }
    out.push('}');
}

fn push_float_pair(out: &mut String, time: i64, value: f64) {
    out.push('[');
    push_time(out, time);
    out.push(',');
    push_float(out, value);
    out.push(']');
}

fn push_histogram_pair(out: &mut String, time: i64, histogram: &FloatHistogram) {
    out.push('[');
    push_time(out, time);
    out.push(',');
    push_histogram(out, histogram);
    out.push(']');
}

fn push_histogram(out: &mut String, histogram: &FloatHistogram) {
    out.push_str("{\"count\":");
    push_float(out, histogram.count);
    out.push_str(",\"sum\":");
    push_float(out, histogram.sum);
    let mut buckets = histogram.populated_buckets().peekable();
    if buckets.peek().is_some() {
        out.push_str(",\"buckets\":");
        push_array(out, |array| {
            for bucket in buckets {
                let mut text = format!("[{},", bucket.boundary_rule());
                push_float(&mut text, bucket.lower);
                text.push(',');
                push_float(&mut text, bucket.upper);
                text.push(',');
                push_float(&mut text, bucket.count);
                text.push(']');
                array.raw(&text);
            }
        });
    }
    out.push('}');
}

/// Milliseconds as seconds with three decimals, or none if there are no milliseconds.
fn push_time(out: &mut String, time: i64) {
    let sign = if time < 0 { "-" } else { "" };
    let time = time.unsigned_abs();
    let _ = write!(out, "{sign}{}", time / 1000);
    if !time.is_multiple_of(1000) {
        let _ = write!(out, ".{:03}", time % 1000);
    }
}

/// A number as a text, with an exponent if it is very small or very large.
fn push_float(out: &mut String, value: f64) {
    let size = value.abs();
    let _ = if value.is_nan() {
        write!(out, "\"NaN\"")
    } else if value.is_infinite() {
        write!(out, "\"{}Inf\"", if value > 0.0 { '+' } else { '-' })
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let sign = if exponent.starts_with('-') { '-' } else { '+' };
        write!(
            out,
            "\"{digits}e{sign}{:0>2}\"",
            exponent.trim_start_matches('-')
        )
    } else {
        write!(out, "\"{value}\"")
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::Samples;

    fn json(value: &Value) -> String {
        let mut out = String::from("{");
        push_result(&mut out, value);
        out.push('}');
        let _: serde_json::Value = serde_json::from_str(&out).unwrap();
        out
    }

    #[test]
    fn values_are_written_as_prometheus_writes_them() {
        let scalar = Value::Scalar {
            time: 1_435_781_451_781,
            value: 0.1,
        };
        assert_eq!(
            json(&scalar),
            r#"{"resultType":"scalar","result":[1435781451.781,"0.1"]}"#
        );
        let text = Value::String {
            time: -1,
            value: "a\"".into(),
        };
        assert_eq!(
            json(&text),
            r#"{"resultType":"string","result":[-0.001,"a\""]}"#
        );
        let labels = LabelSet::from_pairs([("job", "a"), ("__name__", "up")]);
        let vector = Value::Vector(vec![Sample {
            labels: labels.clone(),
            time: 1000,
            point: Point::Float(f64::INFINITY),
        }]);
        assert_eq!(
            json(&vector),
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a"},"value":[1,"+Inf"]}]}"#
        );
        let matrix = Value::Matrix(vec![Series {
            labels,
            floats: Samples {
                times: vec![1000, 2010, 3000],
                values: vec![1e-7, 1e21, -0.0],
                starts: Vec::new(),
            },
            histograms: Samples::default(),
        }]);
        assert_eq!(
            json(&matrix),
            r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a"},"values":[[1,"1e-07"],[2.010,"1e+21"],[3,"-0"]]}]}"#
        );
    }
}
