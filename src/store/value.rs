//! What is bound to the places of a statement, whichever database it is for.

use std::borrow::Cow;
use std::error::Error;

use bytes::BytesMut;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use tokio_postgres::types::{IsNull, Type, to_sql_checked};

/// One value. Columns are of these kinds and no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'v> {
    Null,
    Int(i64),
    Text(Cow<'v, str>),
    Bytes(Cow<'v, [u8]>),
}

macro_rules! ints {
    ($($int:ty)*) => {
        $(impl From<$int> for Value<'_> {
            fn from(value: $int) -> Self {
                Self::Int(i64::from(value))
            }
        })*
    };
}

ints!(u8 u16 u32 i64);

impl<'v> From<&'v str> for Value<'v> {
    fn from(value: &'v str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(value: &'v [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(value))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(value))
    }
}

impl<'v, T: Into<Self>> From<Option<T>> for Value<'v> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

impl tokio_postgres::types::ToSql for Value<'_> {
    fn to_sql(&self, place: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Int(value) if *place == Type::INT8 => out.extend_from_slice(&value.to_be_bytes()),
            Self::Int(value) if *place == Type::INT4 => out.extend_from_slice(&i32::try_from(*value)?.to_be_bytes()),
            // The one letter that PostgreSQL's text cannot hold; names come from clients.
            Self::Text(value) => out.extend_from_slice(value.replace('\0', "\u{fffd}").as_bytes()),
            Self::Bytes(value) => out.extend_from_slice(value),
            Self::Int(_) => return Err(format!("a whole number is bound to a place of type {place}").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
