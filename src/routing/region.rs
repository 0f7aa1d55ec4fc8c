//! Whether a deployment stands in a region that is allowed.

/// What the names of Europe's regions begin with or hold, at providers that name countries.
const EUROPE: [&str; 11] =
    ["europe", "sweden", "switzerland", "france", "germany", "norway", "poland", "italy", "spain", "austria", "uk"];

/// Whether `region` lies in `allowed`: the region itself, or a part of the world that its name begins with
/// (`ap` allows `ap-south-1`). `eu` and `us` also allow the regions of providers that name countries and states.
pub fn lies_in(region: &str, allowed: &str) -> bool {
    let (region, allowed) = (region.trim().to_ascii_lowercase(), allowed.trim().to_ascii_lowercase());
    let within = region.strip_prefix(allowed.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    within
        || match allowed.as_str() {
            "eu" => EUROPE.iter().any(|name| region.contains(name)),
            "us" => {
                region.starts_with("usgov") || region.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with("us")
            }
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::lies_in;

    #[test]
    fn a_region_lies_in_itself_and_in_its_part_of_the_world() {
        for region in ["eu", "EU", "eu-west-1", "europe-west4", "westeurope", "swedencentral", "uksouth"] {
            assert!(lies_in(region, "eu"), "{region}");
            assert!(!lies_in(region, "us"), "{region}");
        }
        for region in ["us", "us-east-1", "us-central1", "eastus", "westus3", "northcentralus", "usgovvirginia"] {
            assert!(lies_in(region, "us"), "{region}");
            assert!(!lies_in(region, "eu"), "{region}");
        }
        for region in ["austriaeast", "australiaeast", "brazilsouth", "global", ""] {
            assert!(!lies_in(region, "us"), "{region}");
        }
        assert!(lies_in("ap-south-1", "ap") && lies_in("eu-west-1", "eu-west-1"));
        assert!(!lies_in("eu-west-1", "eu-west-10") && !lies_in("eu-west-10", "eu-west-1"));
        assert!(!lies_in("apx", "ap"));
    }
}
