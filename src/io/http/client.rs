//! tmp
use std::time::Duration;

use crate::notify::integration::{HttpRequest, HttpResponse, TransportError};
/// Tmp.
#[derive(Debug, Default)]
pub struct HttpClients {}
impl HttpClients {
    /// Sends.
    pub async fn send(
        &self,
        _request: &HttpRequest,
        _timeout: Duration,
    ) -> Result<HttpResponse, TransportError> {
        std::future::pending().await
    }
}
