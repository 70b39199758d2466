//! Finds the integration that speaks for some settings.

use std::time::Duration;

use super::{FileContents, HttpRequest, HttpResponse, TransportError, webhook};
use crate::{
    config::{Integration, Settings},
    notify::{FailureReason, NotificationData, Verdict},
};

/// The files that must be read for each notification.
#[must_use]
pub fn files(integration: &Integration) -> Vec<String> {
    let Settings::Webhook(config) = &integration.settings else {
        return Vec::new();
    };
    webhook::files(config)
}

/// Says a notification in the words of its receiver.
///
/// # Errors
/// The verdict, where there is nothing that could be sent.
pub fn request(
    integration: &Integration,
    data: &NotificationData,
    files: &FileContents,
) -> Result<HttpRequest, Verdict> {
    let Settings::Webhook(config) = &integration.settings else {
        return Err(not_built(integration));
    };
    webhook::request(config, data, files)
}

/// Judges what came back; `allowed` is the time that the attempt had.
#[must_use]
pub fn verdict(
    integration: &Integration,
    result: Result<HttpResponse, TransportError>,
    allowed: Duration,
) -> Verdict {
    let Settings::Webhook(config) = &integration.settings else {
        return not_built(integration);
    };
    webhook::verdict(config, result, allowed)
}

fn not_built(integration: &Integration) -> Verdict {
    Verdict::Permanent {
        reason: FailureReason::Other,
        error: format!(
            "the sender for {} is not built yet, so nothing was sent",
            integration.kind.as_str()
        ),
    }
}
