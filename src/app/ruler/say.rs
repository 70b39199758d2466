//! What the ruler has to say, as it stands in the log: what happened, where, and what to do about it.

use crate::ruler::Word;

/// Writes a word of the ruler into the log.
pub(super) fn say(word: &Word) {
    match word {
        Word::Failed {
            group,
            rule,
            alerting: true,
            reason,
        } => tracing::warn!(
            group,
            rule,
            reason,
            "an alerting rule failed: what fires goes on, and what is new may not be told; correct the rule, or look at the endpoints"
        ),
        Word::Failed {
            group,
            rule,
            alerting: false,
            reason,
        } => tracing::warn!(
            group,
            rule,
            reason,
            "a recording rule failed and wrote nothing: rules that read it decide nothing meanwhile; correct the rule, or look at the \
             endpoints"
        ),
        Word::Recovered { group, rule } => {
            tracing::info!(group, rule, "the rule is evaluated again");
        }
        Word::Unexpanded {
            group,
            rule,
            text,
            reason,
        } => tracing::warn!(
            group,
            rule,
            text,
            reason,
            "a template of the rule failed: in its alerts the error stands in place of the text; correct the template, or look at the \
             endpoints of its query"
        ),
        Word::Missed { group, slots } => tracing::warn!(
            group,
            slots,
            "evaluations were missed: the rules of the group take longer than its interval, or the process did not run"
        ),
        Word::Lost {
            group,
            evaluations,
            rule,
            reason,
        } => tracing::warn!(
            group,
            evaluations,
            rule = (!rule.is_empty()).then_some(rule),
            reason,
            "recording rules were not evaluated at slots that were missed: what they record has gaps there"
        ),
        Word::Lacks {
            group,
            rule,
            reason,
        } => tracing::warn!(
            group,
            rule,
            reason,
            "what rules wrote before this node evaluated them is not known yet: what fires goes on, and nothing else is decided"
        ),
        Word::SetBack { components } => tracing::warn!(
            components,
            "the clock of this host was set back: its rules go on from now, and servers may refuse what is written at times \
             that they have; check the time synchronisation of the host"
        ),
        Word::TookOver {
            groups,
            from,
            lives,
            epoch,
        } => tracing::info!(
            groups,
            from = &**from,
            epoch,
            "{}",
            match lives {
                true => "rule groups of another node are evaluated here from now on",
                false => "took over the rule groups of a node that is gone",
            }
        ),
        Word::HandedOver { groups, to } if to.is_empty() => {
            tracing::info!(groups, "rule groups are evaluated here no more");
        }
        Word::HandedOver { groups, to } => {
            tracing::info!(
                groups,
                to = &**to,
                "rule groups are another node's from now on"
            );
        }
        Word::GaveUp {
            group,
            rule,
            alerts,
        } => tracing::error!(
            group,
            rule,
            alerts,
            "partitions are missing for longer than hold_for: alerts are decided without them; look at the endpoints of these \
             partitions"
        ),
    }
}
