//! Files of tests of rules, in the format of promtool, with outages of endpoints and restarts of the ruler added.

mod model;

mod load;

#[cfg(test)]
mod tests;

pub use load::load_rule_tests;
pub use model::{
    AlertTest, ExpectedAlert, ExpectedSample, ExpressionTest, RuleTest, RuleTestFile, TestAbsence,
    TestEndpoint, TestSeries,
};
