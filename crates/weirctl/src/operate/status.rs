//! `weirctl filter status`: versions, who pushed them, what is wanted, and what each node does.

mod calls;
#[cfg(test)]
pub(crate) mod samples;
mod view;

use filter_registry::Client;
use filter_registry::wire::Overview;
use wasm_filters::manifest::FilterName;

use crate::failure::Failure;
use crate::output::{Output, Style};

/// `filter status`
///
/// # Errors
/// There is no such filter; the registry refused, or cannot be reached.
pub(crate) async fn run(
    client: &Client,
    output: Output,
    name: Option<&FilterName>,
) -> Result<(), Failure> {
    let mut overview = client.overview().await.map_err(Failure::failed)?;
    if let Some(name) = name {
        only(&mut overview, name)?;
    }
    output.show(&overview, render)
}

/// Leaves out what is said of other filters.
fn only(overview: &mut Overview, name: &FilterName) -> Result<(), Failure> {
    overview.filters.retain(|other, _| other == name);
    if overview.filters.is_empty() {
        return Err(Failure::failed(format!("there is no filter {name}")));
    }
    for node in overview.nodes.values_mut() {
        node.report.filters.retain(|other, _| other == name);
    }
    Ok(())
}

fn render(overview: &Overview, style: Style) -> String {
    if overview.filters.is_empty() {
        return "no filter was pushed to this registry yet".to_owned();
    }
    let filters = overview.filters.iter();
    let parts: Vec<_> = filters
        .map(|(name, filter)| view::filter(overview, name, filter, style))
        .collect();
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_filters_are_left_out() {
        let mut overview = samples::overview();
        only(&mut overview, &"geo-block".parse().unwrap()).unwrap();
        assert_eq!(overview.filters.len(), 1);
        assert!(
            !overview
                .nodes
                .values()
                .any(|node| node.report.filters.contains_key("auth"))
        );
        let failure = only(&mut overview, &"none".parse().unwrap()).unwrap_err();
        assert_eq!(failure.line().unwrap(), "there is no filter none");
    }
}
