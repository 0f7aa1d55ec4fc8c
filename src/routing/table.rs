//! From the name a client asks for to the group that serves it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Member, Pattern};
use crate::config;

/// All deployments with the same `model_name`.
#[derive(Debug)]
pub struct Group {
    /// `model_name`, with its `*` if it has one.
    pub name: Arc<str>,
    /// Position among all groups, for labels.
    pub index: usize,
    /// Its deployments, in file order.
    pub members: Vec<Member>,
    pattern: Option<Pattern>,
}

impl Group {
    /// A group of one deployment that no name leads to.
    pub fn of_one(name: Arc<str>, index: usize, deployment: usize) -> Self {
        Self { name, index, members: vec![Member { deployment, order: 0, share: 1 }], pattern: None }
    }
}

/// A group and what the star of its name stands for.
#[derive(Clone, Copy, Debug)]
pub struct Resolved<'t, 'n> {
    /// Who serves the name.
    pub group: &'t Arc<Group>,
    /// The text in place of the star, for a wildcard group.
    pub captured: Option<&'n str>,
}

/// All names that can be asked for.
#[derive(Debug, Default)]
pub struct Table {
    exact: HashMap<Arc<str>, Arc<Group>>,
    wildcards: Vec<Arc<Group>>,
    aliases: HashMap<Box<str>, config::Alias>,
    groups: Vec<Arc<Group>>,
}

impl Table {
    /// Groups the deployments by name.
    pub fn build(deployments: &[config::Deployment], aliases: &[config::Alias]) -> Self {
        let mut by_name: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        for (index, deployment) in deployments.iter().enumerate() {
            by_name.entry(deployment.model_name.clone()).or_default().push(index);
        }
        let groups: Vec<_> = by_name
            .into_iter()
            .enumerate()
            .map(|(index, (name, of_group))| {
                let pattern = Pattern::parse(&name);
                Arc::new(Group { name, index, members: members(deployments, &of_group), pattern })
            })
            .collect();
        let mut wildcards: Vec<_> = groups.iter().filter(|group| group.pattern.is_some()).cloned().collect();
        wildcards.sort_by_key(|group| std::cmp::Reverse(group.pattern.as_ref().map_or(0, Pattern::fixed)));
        let exact =
            groups.iter().filter(|group| group.pattern.is_none()).map(|group| (group.name.clone(), group.clone()));
        Self {
            exact: exact.collect(),
            wildcards,
            aliases: aliases.iter().map(|alias| (alias.alias.as_str().into(), alias.clone())).collect(),
            groups,
        }
    }

    /// What a global alias stands for.
    pub fn alias(&self, name: &str) -> Option<&config::Alias> {
        self.aliases.get(name)
    }

    /// The group that serves a name: an exact one before wildcards, the most specific wildcard first. Aliases are not followed.
    pub fn resolve<'n>(&self, name: &'n str) -> Option<Resolved<'_, 'n>> {
        if let Some(group) = self.exact.get(name) {
            return Some(Resolved { group, captured: None });
        }
        self.wildcards.iter().find_map(|group| {
            let captured = group.pattern.as_ref()?.capture(name)?;
            Some(Resolved { group, captured: Some(captured) })
        })
    }

    /// All groups, sorted by name.
    pub fn groups(&self) -> &[Arc<Group>] {
        &self.groups
    }

    /// Names to show in a list of models: groups without a star and aliases that are not hidden, sorted.
    pub fn listed(&self) -> Vec<&str> {
        let shown = self.aliases.values().filter(|alias| !alias.hidden).map(|alias| alias.alias.as_str());
        let mut names: Vec<_> = self.exact.keys().map(|name| &**name).chain(shown).collect();
        names.extend(self.wildcards.iter().map(|group| &*group.name));
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn members(deployments: &[config::Deployment], of_group: &[usize]) -> Vec<Member> {
    let any = |value: fn(&config::Deployment) -> Option<u64>| {
        of_group.iter().any(|&i| value(&deployments[i]).unwrap_or(0) > 0)
    };
    let share: fn(&config::Deployment) -> Option<u64> = match () {
        () if any(|d| d.weight_milli) => |d| d.weight_milli,
        () if any(|d| d.rpm) => |d| d.rpm,
        () if any(|d| d.tpm) => |d| d.tpm,
        () => |_| Some(1),
    };
    let member = |&index: &usize| {
        let deployment = &deployments[index];
        Member {
            deployment: index,
            order: deployment.order.unwrap_or(i64::MAX - 1),
            share: share(deployment).unwrap_or(0),
        }
    };
    of_group.iter().map(member).collect()
}
