//! `watchfire serve`: logging, features, then the node.

use super::{args::Parsed, flags, run::Failure, version::BUILD};
use crate::{
    app::{self, Features},
    io::log::{self, LogFormat},
};

/// Runs a node until it is told to stop; what goes wrong is in the log.
pub(super) fn serve(parsed: &Parsed) -> Result<(), Failure> {
    let format = if parsed.text("log.format") == "json" {
        LogFormat::Json
    } else {
        LogFormat::Logfmt
    };
    log::init(&parsed.text("log.level"), format);
    let features = match Features::parse(&parsed.text("enable-feature")) {
        Ok((features, words)) => {
            for word in words {
                tracing::warn!("{word}");
            }
            features
        }
        Err(error) => {
            tracing::error!(err = %error, "error parsing the feature flag list");
            return Err(Failure::Silent);
        }
    };
    let options = flags::options(parsed);
    let ratio = options.memory_limit_ratio;
    if features.auto_gomemlimit && !(ratio > 0.0 && ratio <= 1.0) {
        tracing::error!(
            "--auto-gomemlimit.ratio must be greater than 0 and less than or equal to 1."
        );
        return Err(Failure::Silent);
    }
    tracing::info!(version = BUILD.info(), "Starting Watchfire");
    tracing::info!(build_context = BUILD.context(), "Build context");
    app::run(&options, features).map_err(|error| {
        tracing::error!(err = %error, "watchfire exited with error");
        Failure::Silent
    })
}
