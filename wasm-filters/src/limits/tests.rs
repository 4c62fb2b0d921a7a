use super::*;

fn limits() -> Limits {
    Limits {
        memory_bytes: 1000,
        table_elements: 10,
        cpu_ms: 3,
        deadline_ms: 50,
        host_calls: 2,
        log_lines: 1,
        ..Limits::default()
    }
}

fn budget(deadline: Instant) -> Budget {
    Budget::new(&limits(), deadline, 50)
}

#[test]
fn memory_of_all_memories_counts_together() {
    let mut holdings = Holdings::new(&limits());
    assert!(holdings.memory_growing(0, 400, None).unwrap());
    assert!(!holdings.is_swollen());
    assert!(holdings.memory_growing(0, 200, None).unwrap());
    assert!(holdings.is_swollen());
    assert!(holdings.memory_growing(400, 800, None).unwrap());
    assert_eq!(holdings.memory_bytes(), 1000);
    let error = holdings.memory_growing(200, 201, None).unwrap_err();
    assert_eq!(
        error.downcast_ref(),
        Some(&LimitHit::Memory {
            wanted: 1001,
            max: 1000
        })
    );
    assert_eq!(holdings.memory_bytes(), 1000);
}

#[test]
fn elements_of_all_tables_count_together() {
    let mut holdings = Holdings::new(&limits());
    assert!(holdings.table_growing(0, 6, None).unwrap());
    assert!(holdings.table_growing(0, 4, None).unwrap());
    let error = holdings.table_growing(4, 5, None).unwrap_err();
    assert_eq!(
        error.downcast_ref(),
        Some(&LimitHit::Table {
            wanted: 11,
            max: 10
        })
    );
}

#[test]
fn sums_do_not_overflow() {
    let mut holdings = Holdings::new(&limits());
    assert!(holdings.memory_growing(0, 1, None).unwrap());
    assert!(holdings.memory_growing(0, usize::MAX, None).is_err());
    assert!(holdings.table_growing(0, usize::MAX, None).is_err());
}

#[test]
fn processor_time_ends_after_its_milliseconds() {
    let now = Instant::now();
    let mut budget = budget(now + std::time::Duration::from_secs(1));
    for _ in 0..3 {
        assert_eq!(budget.tick(now), Ok(()));
    }
    assert_eq!(budget.tick(now), Err(LimitHit::Cpu(3)));
    assert_eq!(budget.ticks(), 4);
}

#[test]
fn the_deadline_ends_a_running_guest() {
    let now = Instant::now();
    let mut budget = budget(now);
    assert_eq!(budget.tick(now), Err(LimitHit::Deadline(50)));
}

#[test]
fn host_calls_and_lines_are_counted() {
    let mut budget = budget(Instant::now());
    assert_eq!(budget.host_call(), Ok(()));
    assert_eq!(budget.host_call(), Ok(()));
    assert_eq!(budget.host_call(), Err(LimitHit::HostCalls(2)));
    assert!(budget.log_line());
    assert!(!budget.log_line());
    assert!(!budget.log_line());
    assert_eq!(budget.log_lines_dropped(), 2);
}

#[test]
fn what_a_guest_may_pass_covers_results_and_values() {
    let limits = Limits {
        result_bytes: 100,
        ..limits()
    };
    assert_eq!(hostcall_bytes_max(&limits, 10), 100 + HOSTCALL_EXTRA_BYTES);
    assert_eq!(
        hostcall_bytes_max(&limits, 1000),
        1000 + HOSTCALL_EXTRA_BYTES
    );
    assert_eq!(hostcall_bytes_max(&limits, u64::MAX), usize::MAX);
}
