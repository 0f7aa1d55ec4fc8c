//! Embeddings by InvokeModel: every family has a form of its own.

use crate::provider::CallApi;

pub(super) fn find(_model: &str) -> Option<&'static dyn CallApi> {
    None
}
