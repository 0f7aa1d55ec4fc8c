//! What a client may ask of the gateway itself: how often and how long to try, and where to go on.

use std::time::Duration;

use super::{Value, cut, wrong_type};
use crate::json;
use crate::vocabulary::{Fault, Kind, ModelName};

/// The most fallbacks that a request may name.
const FALLBACKS_MAX: usize = 16;
/// The most retries that a request may ask for.
const RETRIES_MAX: u64 = 100;
/// The most of a session's id that counts, in bytes.
const SESSION_BYTES_MAX: usize = 256;
/// The longest name of a region, in bytes.
const REGION_BYTES_MAX: usize = 64;
/// The most parameters that a request may name to drop or to allow.
const PARAMS_MAX: usize = 64;
/// The longest time that a request may ask for, in seconds.
const SECONDS_MAX: f64 = 604_800.0;

/// Members of the body that are the gateway's own and have an effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `num_retries`, or `max_retries`.
    pub retries: Option<u32>,
    /// `timeout`, or `request_timeout`.
    pub timeout: Option<Duration>,
    /// `stream_timeout`.
    pub stream_timeout: Option<Duration>,
    /// `fallbacks`: models to go on to, instead of those that are configured.
    pub fallbacks: Option<Vec<ModelName>>,
    /// `disable_fallbacks`.
    pub no_fallbacks: bool,
    /// `allowed_model_region`: deployments elsewhere are not asked.
    pub region: Option<String>,
    /// `litellm_session_id`, or `session_id` of the metadata; cut to 256 bytes.
    pub session: Option<String>,
    /// `drop_params`: what the provider does not take is left out.
    pub drop_params: Option<bool>,
    /// `additional_drop_params`: what is left out in any case, by name.
    pub dropped_params: Vec<String>,
    /// `allowed_openai_params`: what is passed on in any case, by name.
    pub allowed_params: Vec<String>,
}

impl Wishes {
    pub(super) fn read(&mut self, key: &str, value: Value<'_>) -> Result<(), Fault> {
        match key {
            "num_retries" => self.retries = value.retries("num_retries")?.or(self.retries),
            "max_retries" => self.retries = self.retries.or(value.retries("max_retries")?),
            "timeout" => self.timeout = value.seconds("timeout")?.or(self.timeout),
            "request_timeout" => self.timeout = self.timeout.or(value.seconds("request_timeout")?),
            "stream_timeout" => self.stream_timeout = value.seconds("stream_timeout")?,
            "fallbacks" => self.fallbacks = value.fallbacks()?,
            "disable_fallbacks" => self.no_fallbacks = value.boolean("disable_fallbacks")?.unwrap_or(false),
            "litellm_session_id" => self.session = value.session().or_else(|| self.session.take()),
            "allowed_model_region" => self.region = value.region()?,
            "drop_params" => self.drop_params = value.boolean("drop_params")?,
            "additional_drop_params" => self.dropped_params = value.names("additional_drop_params")?,
            "allowed_openai_params" => self.allowed_params = value.names("allowed_openai_params")?,
            _ => {}
        }
        Ok(())
    }
}

/// A length of time as clients write it: seconds, a fraction or not.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    (seconds > 0.0 && seconds <= SECONDS_MAX).then(|| Duration::from_secs_f64(seconds))
}

/// A number of retries as clients write it.
pub(crate) fn retries(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|retries| u64::from(*retries) <= RETRIES_MAX)
}

impl Value<'_> {
    fn retries(&self, name: &'static str) -> Result<Option<u32>, Fault> {
        if json::is_null(self.bytes()) {
            return Ok(None);
        }
        let text = std::str::from_utf8(self.bytes()).unwrap_or_default();
        retries(text).map(Some).ok_or_else(|| wrong_type(name, "a whole number up to 100", self.bytes()))
    }

    fn seconds(&self, name: &'static str) -> Result<Option<Duration>, Fault> {
        if json::is_null(self.bytes()) {
            return Ok(None);
        }
        let text = std::str::from_utf8(self.bytes()).unwrap_or_default();
        seconds(text).map(Some).ok_or_else(|| wrong_type(name, "seconds above 0", self.bytes()))
    }

    /// What is no text names no session.
    pub(super) fn session(&self) -> Option<String> {
        json::as_str(self.bytes()).map(|id| cut(&id, SESSION_BYTES_MAX)).filter(|id| !id.is_empty())
    }

    fn region(&self) -> Result<Option<String>, Fault> {
        let region = self.string("allowed_model_region")?;
        if region.as_ref().is_some_and(|region| region.trim().is_empty() || region.len() > REGION_BYTES_MAX) {
            let text = format!("Invalid value for 'allowed_model_region': expected 1 to {REGION_BYTES_MAX} bytes.");
            return Err(Fault::client(Kind::BadRequest, text).param("allowed_model_region"));
        }
        Ok(region)
    }

    fn names(&self, field: &'static str) -> Result<Vec<String>, Fault> {
        if json::is_null(self.bytes()) {
            return Ok(Vec::new());
        }
        let wrong = || wrong_type(field, "an array of at most 64 names of parameters", self.bytes());
        if self.kind() != Some(json::Kind::Array) {
            return Err(wrong());
        }
        let name = |element: json::Span| json::as_str(element.of(self.body)).map(|name| name.into_owned());
        let names: Option<Vec<_>> = json::elements(self.body, self.at).take(PARAMS_MAX + 1).map(name).collect();
        names.filter(|names| names.len() <= PARAMS_MAX).ok_or_else(wrong)
    }

    fn fallbacks(&self) -> Result<Option<Vec<ModelName>>, Fault> {
        if json::is_null(self.bytes()) {
            return Ok(None);
        }
        if self.kind() != Some(json::Kind::Array) {
            return Err(wrong_type("fallbacks", "an array of model names", self.bytes()));
        }
        let name = |(index, element): (usize, json::Span)| match json::as_str(element.of(self.body)) {
            Some(name) => ModelName::parse(&name).map_err(|bad| refused(index, format_args!("{bad}"))),
            None => Err(refused(index, "expected the name of a model; objects with other messages are not taken")),
        };
        let names: Vec<_> = json::elements(self.body, self.at).enumerate().map(name).collect::<Result<_, _>>()?;
        if names.len() > FALLBACKS_MAX {
            return Err(refused(FALLBACKS_MAX, format_args!("expected {FALLBACKS_MAX} at most")));
        }
        Ok(Some(names))
    }
}

fn refused(index: usize, why: impl std::fmt::Display) -> Fault {
    let text = format!("Invalid value for 'fallbacks[{index}]': {why}.");
    Fault::client(Kind::BadRequest, text).param(format!("fallbacks[{index}]"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::Request;
    use super::*;
    use crate::dialect::Endpoint;

    fn read(members: &str) -> Result<Wishes, Fault> {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{members}}}"#);
        Request::read(Endpoint::ChatCompletions, Bytes::from(body), None).map(|request| request.wishes)
    }

    #[test]
    fn wishes_are_read() {
        let wishes = read(
            r#""num_retries":3,"timeout":1.5,"stream_timeout":2,"fallbacks":["a","b/c"],"disable_fallbacks":false"#,
        )
        .unwrap();
        assert_eq!((wishes.retries, wishes.no_fallbacks), (Some(3), false));
        assert_eq!(wishes.timeout, Some(Duration::from_millis(1500)));
        let names = wishes.fallbacks.unwrap();
        assert_eq!(names.iter().map(ModelName::as_str).collect::<Vec<_>>(), ["a", "b/c"]);
        assert_eq!(read(r#""num_retries":null,"timeout":null,"fallbacks":null"#).unwrap(), Wishes::default());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (members, param) in [
            (r#""fallbacks":[{"model":"a","messages":[]}]"#, "fallbacks[0]"),
            (r#""fallbacks":["a",7]"#, "fallbacks[1]"),
            (r#""fallbacks":"a""#, "fallbacks"),
            (r#""num_retries":-1"#, "num_retries"),
            (r#""timeout":0"#, "timeout"),
            (r#""disable_fallbacks":"yes""#, "disable_fallbacks"),
            (r#""allowed_model_region":["eu"]"#, "allowed_model_region"),
            (r#""allowed_model_region":" ""#, "allowed_model_region"),
            (r#""drop_params":1"#, "drop_params"),
            (r#""additional_drop_params":"user""#, "additional_drop_params"),
            (r#""allowed_openai_params":[1]"#, "allowed_openai_params"),
        ] {
            let fault = read(members).unwrap_err();
            assert_eq!((fault.kind, fault.param.as_deref()), (Kind::BadRequest, Some(param)), "{members}");
        }
    }
}
