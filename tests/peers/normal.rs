//! Makes the answers of two servers comparable: ids become names or their order of appearance, moments near the
//! present become whole minutes from the start of the test.

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
    ids: Vec<(String, String)>,
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

    /// Gives an id the name under which [`Normalizer::fill`] finds it and answers show it.
    pub(crate) fn name_id(&mut self, id: &str, name: &str) {
        if self.ids.iter().all(|(known, _)| known != id) {
            self.ids.push((id.to_owned(), format!("<{name}>")));
        }
    }

    /// Replaces the `<names>` of ids in a request.
    pub(crate) fn fill(&self, request: &str) -> String {
        self.ids
            .iter()
            .fold(request.to_owned(), |text, (id, name)| {
                text.replace(name, id)
            })
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
        // What the script itself makes up is the same for both servers.
        if id.starts_with("00000000-") {
            return id.to_owned();
        }
        if self.ids.iter().all(|(known, _)| known != id) {
            self.ids
                .push((id.to_owned(), format!("<id {}>", self.ids.len())));
        }
        self.ids
            .iter()
            .find(|(known, _)| known == id)
            .unwrap()
            .1
            .clone()
    }

    fn moment(&self, found: &Captures<'_>) -> String {
        let Ok(moment) = format!("{}T{}Z", &found[1], &found[2]).parse::<Timestamp>() else {
            return found[0].to_owned();
        };
        let distance = moment.duration_since(self.base);
        if distance.as_hours().abs() > 24 * 20 {
            return found[0].to_owned();
        }
        let minutes = distance.round(Unit::Minute).unwrap().as_mins();
        let digits = found.get(3).map_or(0, |fraction| fraction.len());
        format!("<{minutes:+} min, {digits} digits{}>", &found[4])
    }
}
