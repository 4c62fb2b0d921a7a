//! The figures as tables.

use std::fmt;

use super::{Chain, Cost, Filters};
use crate::client::Protocol;

/// Markdown.
impl fmt::Display for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_costs(f)?;
        writeln!(f)?;
        self.fmt_swaps(f)?;
        if self.looping.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        self.fmt_looping(f)
    }
}

impl Filters {
    fn cost(&self, chain: Chain, protocol: Protocol) -> Option<&Cost> {
        self.costs
            .iter()
            .find(|cost| cost.chain == chain && cost.protocol == protocol)
    }

    fn fmt_costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.costs.first().map_or(0, |cost| cost.runs.len());
        writeln!(
            f,
            "A cached 2 KiB playlist through active filters. Medians of {runs} interleaved runs.\n"
        )?;
        writeln!(
            f,
            "| protocol | filters | req/s | p50 us | p99 us | server CPU us/req | client CPU us/req \
             | req/s vs none | server CPU vs none | req/s vs same answer | errors |"
        )?;
        writeln!(f, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for cost in &self.costs {
            let rate = |cost: &Cost| cost.median(|run| run.requests_per_second);
            let cpu =
                |cost: &Cost| cost.median(|run| run.server_cpu_us_per_request.unwrap_or(f64::NAN));
            let ratio = |to: Chain, value: &dyn Fn(&Cost) -> f64| {
                let Some(to) = self.cost(to, cost.protocol) else {
                    return String::from("-");
                };
                if to.chain == cost.chain {
                    return String::from("-");
                }
                format!("{:.2}x", value(cost) / value(to))
            };
            writeln!(
                f,
                "| {} | {} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} | {} | {} | {} | {} |",
                cost.protocol,
                cost.chain,
                rate(cost),
                cost.median(|run| f64::from(run.p50_us)),
                cost.median(|run| f64::from(run.p99_us)),
                cpu(cost),
                cost.median(|run| run.client_cpu_us_per_request),
                ratio(Chain::None, &rate),
                ratio(Chain::None, &cpu),
                ratio(Chain::SameAnswer, &rate),
                cost.runs.iter().map(|run| run.errors).sum::<u64>(),
            )?;
        }
        Ok(())
    }

    fn fmt_swaps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.swaps.first().map_or(0, |swaps| swaps.runs.len());
        writeln!(
            f,
            "From the start of weirctl until 3 edges report the version active; {runs} changes each, \
             in milliseconds.\n"
        )?;
        writeln!(
            f,
            "| change | viewers | accepted, median | active on 3 edges, median | max | and on the \
             origin, max | weirctl ended, median | viewers' requests | failed | longest request \
             | taken back |"
        )?;
        writeln!(f, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for swaps in &self.swaps {
            writeln!(
                f,
                "| {} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {} | {:.1} | {} |",
                swaps.change,
                swaps.crowd,
                swaps.median(|swap| swap.accepted_ms),
                swaps.median(|swap| swap.edges_ms),
                swaps.max(|swap| swap.edges_ms),
                swaps.max(|swap| swap.everywhere_ms),
                swaps.median(|swap| swap.told_ms),
                swaps.runs.iter().map(|swap| swap.requests).sum::<u64>(),
                swaps.runs.iter().map(|swap| swap.failed).sum::<u64>(),
                swaps.max(|swap| swap.longest_ms),
                swaps.runs.iter().filter(|swap| swap.taken_back).count(),
            )?;
            for failure in &swaps.failures {
                writeln!(f, "|  error: {failure} |")?;
            }
        }
        Ok(())
    }

    fn fmt_looping(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Viewers of a cached playlist over h3, at a bounded rate, beside a filter that loops \
             without end on another path (10 ms of processor time a call).\n"
        )?;
        writeln!(
            f,
            "| who asks for that path | breaker | req/s of the others | p50 us | p99 us \
             | errors | attacks answered |"
        )?;
        writeln!(f, "|---|---|---:|---:|---:|---:|---:|")?;
        for looping in &self.looping {
            let attack = looping.attack;
            writeln!(
                f,
                "| {} in a closed loop | {} | {:.0} | {:.0} | {:.0} | {} | {} |",
                attack.attackers,
                if attack.breaker { "default" } else { "off" },
                looping.median(|run| run.requests_per_second),
                looping.median(|run| f64::from(run.p50_us)),
                looping.median(|run| f64::from(run.p99_us)),
                looping.runs.iter().map(|run| run.errors).sum::<u64>(),
                looping.attacks,
            )?;
        }
        Ok(())
    }
}
