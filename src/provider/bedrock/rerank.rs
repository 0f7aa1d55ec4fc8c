//! Rerank by InvokeModel.

use crate::provider::CallApi;

pub(super) fn find(_model: &str) -> Option<&'static dyn CallApi> {
    None
}
