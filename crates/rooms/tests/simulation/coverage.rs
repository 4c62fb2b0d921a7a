//! What the seeds together reach.

/// That the seeds together reach what they are for.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) own: u64,
    pub(crate) control: u64,
    pub(crate) tombstones: u64,
    pub(crate) gaps: u64,
    pub(crate) dropped: u64,
    pub(crate) closed_slow: u64,
    pub(crate) complete: u64,
    pub(crate) not_recovered: u64,
    pub(crate) epochs: u64,
    pub(crate) hub_restarts: u64,
    pub(crate) edge_restarts: u64,
    pub(crate) edge_resets: u64,
    pub(crate) fills: u64,
    pub(crate) duplicates: u64,
    pub(crate) sampled: u64,
    pub(crate) shadowed: u64,
    pub(crate) crowds: u64,
    pub(crate) lists: u64,
    pub(crate) lost_packets: u64,
    pub(crate) timeouts: u64,
    pub(crate) held: u64,
    pub(crate) reviews: u64,
    pub(crate) approved: u64,
    pub(crate) notices: u64,
    pub(crate) removed: u64,
    pub(crate) audits: u64,
}

impl Coverage {
    pub(crate) fn check(&self) {
        let least = [
            self.accepted,
            self.refused,
            self.own,
            self.control,
            self.tombstones,
            self.gaps,
            self.dropped,
            self.closed_slow,
            self.complete,
            self.not_recovered,
            self.epochs,
            self.hub_restarts,
            self.edge_restarts,
            self.edge_resets,
            self.fills,
            self.duplicates,
            self.sampled,
            self.shadowed,
            self.crowds,
            self.lists,
            self.lost_packets,
            self.timeouts,
            self.held,
            self.reviews,
            self.approved,
            self.notices,
            self.removed,
            self.audits,
        ];
        assert!(
            least.iter().all(|count| *count > 20),
            "not reached: {self:?}"
        );
    }
}
