//! Where a model is: its id in the path, and the region.

use crate::config;
use crate::provider::Target;
use crate::provider::path_segment;

const REGION: &str = "us-east-1";
const REGION_ENV: [&str; 3] = ["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"];

/// Which API a model's prefix asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// None is named.
    Any,
    /// `converse/`.
    Converse,
    /// `invoke/`.
    Invoke,
}

/// A model as the configuration names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// Which API.
    pub(super) route: Route,
    /// The region, where the name has one: `us-west-2/...`, `arn:aws:bedrock:us-west-2:...`.
    pub(super) region: Option<&'a str>,
    /// What AWS calls the model: an id, an inference profile, an ARN.
    pub(super) model: &'a str,
}

impl<'a> Place<'a> {
    /// Takes a name apart: `[bedrock/][converse/|invoke/][REGION/][N-month-commitment/]ID`. An ARN begins wherever it does:
    /// what stands before it says of what family an imported model is.
    pub(super) fn read(name: &'a str) -> Self {
        let name = name.strip_prefix("bedrock/").unwrap_or(name);
        let (route, name) = match name.split_once('/') {
            Some(("converse", rest)) => (Route::Converse, rest),
            Some(("invoke", rest)) => (Route::Invoke, rest),
            _ => (Route::Any, name),
        };
        let (region, name) = match name.split_once('/') {
            Some((region, rest)) if is_region(region) => (Some(region), rest),
            _ => (None, name),
        };
        let name =
            ["1-month-commitment/", "6-month-commitment/"].iter().find_map(|by| name.strip_prefix(by)).unwrap_or(name);
        let model = name.find("arn:").and_then(|at| name.get(at..)).unwrap_or(name);
        let of_arn =
            model.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)).filter(|region| is_region(region));
        Self { route, region: of_arn.or(region), model }
    }
}

/// `us-west-2`, `us-gov-east-1`.
fn is_region(text: &str) -> bool {
    let mut parts = text.rsplit('-');
    let number = parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let words: Vec<&str> = parts.collect();
    number
        && words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// The region that a deployment is in: configured, or told by its model or its address, or of the environment.
pub(super) fn region(deployment: &config::Deployment) -> String {
    let given = deployment.vendor("aws_region_name", &[]).map(|region| region.expose().to_owned());
    let model = || {
        let id = deployment.vendor("model_id", &[]);
        let id = id.as_ref().map_or(&*deployment.model, |id| id.expose());
        Place::read(id).region.or_else(|| Place::read(&deployment.model).region).map(str::to_owned)
    };
    let address = || {
        let endpoint = deployment.vendor("aws_bedrock_runtime_endpoint", &[]);
        let base = endpoint.as_ref().map(|endpoint| endpoint.expose()).or(deployment.api_base.as_deref())?;
        base.split('.').nth(1).filter(|region| is_region(region)).map(str::to_owned)
    };
    let environment = || deployment.vendor("", &REGION_ENV).map(|region| region.expose().to_owned());
    given.or_else(model).or_else(address).or_else(environment).unwrap_or_else(|| REGION.to_owned())
}

/// The usual address of a service of AWS.
pub(super) fn endpoint(service: &str, region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{domain}")
}

/// The path of an operation of a model.
pub(super) fn path(target: &Target, model: &str, operation: &str) -> String {
    let id = target.model_id.as_deref().unwrap_or_else(|| Place::read(model).model);
    format!("{}/model/{}/{operation}{}", target.base_path, path_segment(id), target.query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_route_a_region_and_an_id() {
        fn read(name: &str) -> (Route, Option<&str>, &str) {
            let place = Place::read(name);
            (place.route, place.region, place.model)
        }
        assert_eq!(read("anthropic.claude-v2"), (Route::Any, None, "anthropic.claude-v2"));
        assert_eq!(read("converse/us.amazon.nova-pro-v1:0"), (Route::Converse, None, "us.amazon.nova-pro-v1:0"));
        assert_eq!(
            read("invoke/eu-west-1/anthropic.claude-v2"),
            (Route::Invoke, Some("eu-west-1"), "anthropic.claude-v2")
        );
        assert_eq!(read("us-gov-west-1/6-month-commitment/a.b"), (Route::Any, Some("us-gov-west-1"), "a.b"));
        let arn = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc";
        assert_eq!(read(arn), (Route::Any, Some("eu-central-1"), arn));
        let (converse, nova) = (format!("bedrock/converse/{arn}"), format!("nova/{arn}"));
        assert_eq!(read(&converse), (Route::Converse, Some("eu-central-1"), arn));
        assert_eq!(read(&nova), (Route::Any, Some("eu-central-1"), arn));
        assert_eq!(read("arn:aws:bedrock:::x").1, None);
    }

    #[test]
    fn a_model_stands_in_the_path_as_one_segment() {
        let mut target = Target::parse("https://h/base").unwrap();
        let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/x";
        let expected = "/base/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse";
        assert_eq!(path(&target, arn, "converse"), expected);
        target.model_id = Some(arn.to_owned());
        assert_eq!(path(&target, "us.anthropic.claude-sonnet-5", "converse"), expected);
    }

    #[test]
    fn an_address_has_a_region() {
        assert_eq!(endpoint("bedrock-runtime", "us-west-2"), "https://bedrock-runtime.us-west-2.amazonaws.com");
        assert_eq!(endpoint("sts", "cn-north-1"), "https://sts.cn-north-1.amazonaws.com.cn");
    }
}
