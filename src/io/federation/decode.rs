//! The JSON of `/api/v1/query` and `/api/v1/query_range`, read straight into series.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{
    labels::LabelSet,
    promql::{Samples, Series},
};

/// The answer of an endpoint.
#[derive(Deserialize)]
pub(super) struct Body {
    /// `success` or `error`.
    pub(super) status: String,
    /// The kind of the error.
    #[serde(rename = "errorType", default)]
    pub(super) error_type: String,
    /// What went wrong.
    #[serde(default)]
    pub(super) error: String,
    /// Said by `VictoriaMetrics` of an answer without some of its storage.
    #[serde(rename = "isPartial", default)]
    pub(super) is_partial: bool,
    #[serde(default)]
    pub(super) warnings: Option<Vec<String>>,
    #[serde(default)]
    pub(super) infos: Option<Vec<String>>,
    #[serde(default)]
    pub(super) data: Option<Data>,
}

/// The result.
#[derive(Deserialize)]
pub(super) struct Data {
    #[serde(rename = "resultType")]
    pub(super) kind: String,
    pub(super) result: Found,
}

/// The series of a result; a scalar is one without labels.
#[derive(Default)]
pub(super) struct Found {
    pub(super) series: Vec<Series>,
    pub(super) samples: usize,
    /// Whether there were native histograms, of which JSON does not hold everything.
    pub(super) histograms: bool,
}

/// Reads an answer.
pub(super) fn decode(text: &[u8]) -> Result<Body, serde_json::Error> {
    serde_json::from_slice(text)
}

/// The Unix milliseconds of a time in seconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded; times beyond the range saturate and are then not those asked for"
)]
fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;

        impl<'de> Visitor<'de> for Elements {
            type Value = Found;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("series or a scalar")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Found, A::Error> {
                let mut found = Found::default();
                while let Some(element) = list.next_element()? {
                    match element {
                        Element::Series(one) => {
                            found.samples += one.series.floats.times.len();
                            found.histograms |= one.histograms;
                            found.series.push(one.series);
                        }
                        Element::Number(time) => {
                            let value: Value = list
                                .next_element()?
                                .ok_or_else(|| A::Error::custom("a scalar without a value"))?;
                            found.samples += 1;
                            found.series.push(Series {
                                floats: Samples {
                                    times: vec![millis(time)],
                                    values: vec![value.0],
                                    starts: Vec::new(),
                                },
                                ..Series::default()
                            });
                        }
                    }
                }
                Ok(found)
            }
        }

        deserializer.deserialize_seq(Elements)
    }
}

enum Element {
    Series(Labelled),
    /// The time of a scalar.
    Number(f64),
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Element;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a series or a time")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Element, A::Error> {
                read_series(map).map(Element::Series)
            }

            fn visit_f64<E>(self, time: f64) -> Result<Element, E> {
                Ok(Element::Number(time))
            }

            #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
            fn visit_u64<E>(self, time: u64) -> Result<Element, E> {
                Ok(Element::Number(time as f64))
            }

            #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
            fn visit_i64<E>(self, time: i64) -> Result<Element, E> {
                Ok(Element::Number(time as f64))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

struct Labelled {
    series: Series,
    histograms: bool,
}

fn read_series<'de, A: MapAccess<'de>>(mut map: A) -> Result<Labelled, A::Error> {
    let mut one = Labelled {
        series: Series::default(),
        histograms: false,
    };
    while let Some(key) = map.next_key::<Text<'de>>()? {
        match &*key.0 {
            "metric" => one.series.labels = map.next_value::<Metric>()?.0,
            "value" => {
                let point: Point = map.next_value()?;
                one.series.floats.times.push(point.time);
                one.series.floats.values.push(point.value);
            }
            "values" => one.series.floats = map.next_value::<Points>()?.0,
            "histogram" => {
                map.next_value::<IgnoredAny>()?;
                one.histograms = true;
            }
            "histograms" => one.histograms |= !map.next_value::<Vec<IgnoredAny>>()?.is_empty(),
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(one)
}

/// A text of the answer, not copied where it has no escapes.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed<'de>(PhantomData<&'de ()>);

        impl<'de> Visitor<'de> for Borrowed<'de> {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrowed(PhantomData))
    }
}

/// The labels of a series.
pub(super) struct Metric(pub(super) LabelSet);

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Metric;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metric, A::Error> {
                let mut pairs = Vec::with_capacity(16);
                while let Some((name, value)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    // A label without a value is one that is not there.
                    if !value.0.is_empty() {
                        pairs.push((name.0, value.0));
                    }
                }
                Ok(Metric(LabelSet::from_scratch(&mut pairs)))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// `"1.5"`, `"NaN"`, `"+Inf"`.
struct Value(f64);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in quotes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                let number = text.parse();
                number
                    .map(Value)
                    .map_err(|_invalid: std::num::ParseFloatError| {
                        E::custom(format_args!("{text:?} is no number"))
                    })
            }
        }

        deserializer.deserialize_str(Number)
    }
}

struct Point {
    time: i64,
    value: f64,
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (time, value) = <(f64, Value)>::deserialize(deserializer)?;
        Ok(Self {
            time: millis(time),
            value: value.0,
        })
    }
}

struct Points(Samples<f64>);

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Columns;

        impl<'de> Visitor<'de> for Columns {
            type Value = Points;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("samples")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Points, A::Error> {
                let mut samples = Samples::default();
                while let Some(point) = list.next_element::<Point>()? {
                    samples.times.push(point.time);
                    samples.values.push(point.value);
                }
                Ok(Points(samples))
            }
        }

        deserializer.deserialize_seq(Columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(result: &str) -> Result<Found, String> {
        let text =
            format!(r#"{{"status":"success","data":{{"resultType":"x","result":{result}}}}}"#);
        let body = decode(text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(body.data.unwrap().result)
    }

    #[test]
    fn vectors_matrices_and_scalars() {
        let vector = found(
            r#"[{"metric":{"__name__":"up","a\nb":"\u00e9","empty":""},"value":[1435781451.781,"1.5e-3"]},
                {"metric":{},"value":[1435781451,"+Inf"]}]"#,
        )
        .unwrap();
        let first = &vector.series[0];
        assert_eq!(
            first.labels,
            LabelSet::from_pairs([("__name__", "up"), ("a\nb", "é")])
        );
        assert_eq!(first.floats.times, [1_435_781_451_781]);
        assert_eq!(first.floats.values, [0.0015]);
        assert_eq!(vector.series[1].floats.values, [f64::INFINITY]);
        assert_eq!((vector.samples, vector.histograms), (2, false));

        let matrix =
            found(r#"[{"metric":{},"values":[[1,"NaN"],[1.001,"-Inf"]],"histograms":[]}]"#);
        let floats = &matrix.unwrap().series[0].floats;
        assert_eq!(floats.times, [1000, 1001]);
        assert!(floats.values[0].is_nan() && floats.values[1].is_infinite());

        let scalar = found(r#"[1.5,"7"]"#).unwrap();
        assert_eq!(scalar.series[0].floats.times, [1500]);
        assert_eq!(scalar.series[0].floats.values, [7.0]);
    }

    #[test]
    fn histograms_are_seen() {
        let histogram = r#"{"count":"1","sum":"2","buckets":[[0,"1","2","1"]]}"#;
        for result in [
            format!(r#"[{{"metric":{{}},"histogram":[1,{histogram}]}}]"#),
            format!(r#"[{{"metric":{{}},"values":[[1,"2"]],"histograms":[[1,{histogram}]]}}]"#),
        ] {
            assert!(found(&result).unwrap().histograms, "{result}");
        }
    }

    #[test]
    fn what_is_no_result_is_an_error() {
        for result in [
            "null",
            "{}",
            "7",
            "[[1,\"2\"]]",
            r#"["text"]"#,
            "[1.5]",
            r#"[{"metric":{},"value":[1,"x"]}]"#,
            r#"[{"metric":{},"value":[1,2]}]"#,
            r#"[{"metric":{},"value":null}]"#,
            r#"[{"metric":{"a":1},"value":[1,"2"]}]"#,
            r#"[{"metric":{},"values":[[1]]}]"#,
        ] {
            assert!(found(result).is_err(), "{result}");
        }
        for text in ["", "{", "{}", "<html>", r#"{"status":"success"}x"#, "[]"] {
            assert!(decode(text.as_bytes()).is_err(), "{text}");
        }
    }
}
