//! The routing tree in the form that alerts are matched against.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    config::{GroupBy, Route},
    labels::{LabelSet, Matcher},
};

/// A node of the tree. Group keys are made of `key`, so it is byte for byte upstream's (`dispatch/route.go`).
#[derive(Debug)]
pub struct RouteNode {
    /// The node's place in the tree, in the order of the file.
    pub index: u32,
    /// The matchers from the root down, joined by `/`; routes may share it.
    pub key: Arc<str>,
    /// The key with the place among the siblings at each step; unique.
    pub id: Arc<str>,
    /// Who is notified.
    pub receiver: Arc<str>,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// What groups share.
    pub group_by: GroupBy,
    /// Wait before the first notification of a group.
    pub group_wait: Duration,
    /// Wait between notifications about changes.
    pub group_interval: Duration,
    /// Wait until an unchanged group is notified again.
    pub repeat_interval: Duration,
    /// Intervals in which nothing is notified.
    pub mute_time_intervals: Vec<Arc<str>>,
    /// Intervals outside which nothing is notified, if any.
    pub active_time_intervals: Vec<Arc<str>>,
    /// Whether siblings that follow are tried too.
    pub continue_matching: bool,
    /// Route labels as configured.
    pub labels: Arc<BTreeMap<Arc<str>, Arc<str>>>,
    children: Vec<u32>,
}

impl RouteNode {
    /// The part of `labels` that names an alert's group under this route; labels it lacks are absent.
    #[must_use]
    pub fn group_labels(&self, labels: &LabelSet) -> LabelSet {
        match &self.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => {
                labels.filter_pairs(|name, _| names.iter().any(|by| **by == *name))
            }
        }
    }

    /// The key of the group with these labels (`aggrGroup.GroupKey`).
    #[must_use]
    pub fn group_key(&self, group_labels: &LabelSet) -> Arc<str> {
        format!("{}:{group_labels}", self.key).into()
    }
}

/// The whole tree, flat; node 0 is the root.
#[derive(Debug)]
pub struct RouteTree {
    nodes: Vec<Arc<RouteNode>>,
}

impl RouteTree {
    /// Flattens the configured tree.
    #[must_use]
    pub fn new(root: &Route) -> Self {
        let mut nodes = Vec::new();
        add(&mut nodes, root, None);
        Self {
            nodes: nodes.into_iter().map(Arc::new).collect(),
        }
    }

    /// All nodes; the root first, each before its children.
    #[must_use]
    pub fn nodes(&self) -> &[Arc<RouteNode>] {
        &self.nodes
    }

    /// The routes that take an alert with these labels, depth first (`Route.Match`).
    #[must_use]
    pub fn matching(&self, labels: &LabelSet) -> Vec<&Arc<RouteNode>> {
        let mut found = Vec::with_capacity(1);
        self.collect(0, labels, &mut found);
        found
    }

    /// The nodes from the root to `node`.
    #[must_use]
    pub fn path(&self, node: &RouteNode) -> Vec<&Arc<RouteNode>> {
        let parent = |child: u32| {
            self.nodes
                .iter()
                .find(|node| node.children.contains(&child))
        };
        let mut path: Vec<_> =
            std::iter::successors(self.nodes.get(node.index as usize), |n| parent(n.index))
                .collect();
        path.reverse();
        path
    }

    fn collect<'a>(&'a self, index: u32, labels: &LabelSet, found: &mut Vec<&'a Arc<RouteNode>>) {
        let Some(node) = self.nodes.get(index as usize) else {
            return;
        };
        let before = found.len();
        for child in &node.children {
            let Some(route) = self.nodes.get(*child as usize) else {
                continue;
            };
            if !Matcher::all_match(&route.matchers, labels) {
                continue;
            }
            self.collect(*child, labels, found);
            if !route.continue_matching {
                break;
            }
        }
        if found.len() == before {
            found.push(node);
        }
    }
}

/// Adds a route and its children to `nodes`, numbered in the order of the file.
fn add(nodes: &mut Vec<RouteNode>, route: &Route, parent: Option<(u32, usize)>) -> u32 {
    let index = u32::try_from(nodes.len()).expect("a file of 16 MiB holds fewer routes");
    let own = matcher_list(&route.matchers);
    let (key, id) =
        match parent.and_then(|(parent, place)| Some((nodes.get(parent as usize)?, place))) {
            Some((parent, place)) => (
                format!("{}/{own}", parent.key),
                format!("{}/{own}/{place}", parent.id),
            ),
            None => (own.clone(), own),
        };
    nodes.push(RouteNode {
        index,
        key: key.into(),
        id: id.into(),
        receiver: Arc::clone(&route.receiver),
        matchers: route.matchers.clone(),
        group_by: route.group_by.clone(),
        group_wait: route.group_wait,
        group_interval: route.group_interval,
        repeat_interval: route.repeat_interval,
        mute_time_intervals: route.mute_time_intervals.clone(),
        active_time_intervals: route.active_time_intervals.clone(),
        continue_matching: route.continue_matching,
        labels: Arc::clone(&route.labels),
        children: Vec::new(),
    });
    for (place, child) in route.routes.iter().enumerate() {
        let child = add(nodes, child, Some((index, place)));
        nodes[index as usize].children.push(child);
    }
    index
}

fn matcher_list(matchers: &[Matcher]) -> String {
    let list: Vec<_> = matchers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", list.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::MatchOp;

    fn route(matchers: &[(&str, &str)], continue_matching: bool, routes: Vec<Route>) -> Route {
        let matchers = matchers
            .iter()
            .map(|(name, value)| Matcher::new(MatchOp::Equal, name, value).unwrap());
        Route {
            receiver: "r".into(),
            group_by: GroupBy::Labels(Arc::from([Arc::from("alertname"), Arc::from("job")])),
            matchers: matchers.collect(),
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(300),
            repeat_interval: Duration::from_secs(14400),
            mute_time_intervals: vec![],
            active_time_intervals: vec![],
            continue_matching,
            labels: Arc::default(),
            routes,
        }
    }

    fn ids(tree: &RouteTree, labels: &[(&str, &str)]) -> Vec<String> {
        let labels = LabelSet::from_pairs(labels.iter().copied());
        tree.matching(&labels)
            .iter()
            .map(|node| node.id.to_string())
            .collect()
    }

    #[test]
    fn the_first_match_wins_unless_it_continues() {
        let tree = RouteTree::new(&route(
            &[],
            false,
            vec![
                route(
                    &[("team", "x")],
                    true,
                    vec![route(&[("severity", "page")], false, vec![])],
                ),
                route(&[("team", "x")], false, vec![]),
                route(&[], false, vec![]),
            ],
        ));
        assert_eq!(
            ids(&tree, &[("team", "x")]),
            ["{}/{team=\"x\"}/0", "{}/{team=\"x\"}/1"]
        );
        assert_eq!(
            ids(&tree, &[("team", "x"), ("severity", "page")]),
            [
                "{}/{team=\"x\"}/0/{severity=\"page\"}/0",
                "{}/{team=\"x\"}/1"
            ]
        );
        assert_eq!(ids(&tree, &[("team", "y")]), ["{}/{}/2"]);
        let path: Vec<_> = tree
            .path(&tree.nodes()[2])
            .iter()
            .map(|node| node.index)
            .collect();
        assert_eq!(path, [0, 1, 2]);
    }

    #[test]
    fn group_keys_are_upstreams() {
        let tree = RouteTree::new(&route(
            &[],
            false,
            vec![route(&[("team", "x")], false, vec![])],
        ));
        let node = &tree.nodes()[1];
        let labels = LabelSet::from_pairs([("alertname", "Foo"), ("job", "y\n"), ("other", "z")]);
        let key = node.group_key(&node.group_labels(&labels));
        assert_eq!(&*key, "{}/{team=\"x\"}:{alertname=\"Foo\", job=\"y\\n\"}");
    }
}
