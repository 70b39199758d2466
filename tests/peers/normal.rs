//! Makes the answers of two servers comparable: ids become their order of appearance, moments near the present
//! become whole minutes from the start of the test.

use std::sync::LazyLock;

use jiff::{Timestamp, Unit};
use regex::{Captures, Regex};

static ID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap()
});

/// A moment in the API's format or in that of amtool's tables.
static MOMENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z| UTC|[+-]\d\d:\d\d)").unwrap()
});

/// Remembers the ids one server gave out, in their order.
pub(crate) struct Normalizer {
    base: Timestamp,
    ids: Vec<String>,
    address: String,
}

impl Normalizer {
    pub(crate) fn new(base: Timestamp, address: &str) -> Self {
        Self {
            base,
            ids: Vec::new(),
            address: address.to_owned(),
        }
    }

    /// The text with ids, moments and the server's own address replaced.
    pub(crate) fn text(&mut self, text: &str) -> String {
        let text = text.replace(&self.address, "<address>");
        let text = ID.replace_all(&text, |found: &Captures<'_>| self.id(&found[0]));
        MOMENT
            .replace_all(&text, |found: &Captures<'_>| self.moment(found))
            .into_owned()
    }

    fn id(&mut self, id: &str) -> String {
        // What the script itself sends is the same for both servers.
        if id.starts_with("00000000-") {
            return id.to_owned();
        }
        let position = self
            .ids
            .iter()
            .position(|known| known == id)
            .unwrap_or_else(|| {
                self.ids.push(id.to_owned());
                self.ids.len() - 1
            });
        format!("<id {position}>")
    }

    fn moment(&self, found: &Captures<'_>) -> String {
        let moment = format!("{}T{}Z", &found[1], &found[2])
            .parse::<Timestamp>()
            .unwrap();
        let distance = moment.duration_since(self.base);
        if distance.as_hours().abs() > 24 * 20 {
            return found[0].to_owned();
        }
        let minutes = distance.round(Unit::Minute).unwrap().as_mins();
        let digits = found.get(3).map_or(0, |fraction| fraction.len());
        format!("<{minutes:+} min, {digits} digits{}>", &found[4])
    }
}
