//! Stub
use crate::{notify::NotificationData, template::Value};
pub(super) fn value(_data: &NotificationData, _shown: usize) -> Value {
    Value
}
