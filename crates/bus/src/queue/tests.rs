use super::*;

fn gauge() -> IntGauge {
    IntGauge::new("bytes", "bytes").unwrap()
}

#[tokio::test]
async fn it_is_bounded_and_counts() {
    let gauge = gauge();
    let (sender, mut receiver) = queue(1000, gauge.clone());
    assert_eq!(sender.push(372, 'a'), Ok(()));
    assert_eq!(sender.push(372, 'b'), Ok(()));
    assert_eq!(gauge.get(), 1000);
    assert_eq!(sender.push(0, 'c'), Err(Refused::Full));
    assert_eq!(receiver.recv().await, Some('a'));
    assert_eq!(sender.push(372, 'd'), Ok(()));
    assert_eq!(receiver.recv().await, Some('b'));
    assert_eq!(receiver.try_recv(), Some('d'));
    assert_eq!(receiver.try_recv(), None);
    assert_eq!(gauge.get(), 0);
    // A message that may be sent at all can be sent.
    assert_eq!(sender.push(5000, 'e'), Ok(()));
    drop(sender);
    drop(receiver);
    assert_eq!(gauge.get(), 0);
}

#[tokio::test]
async fn it_is_shut_opened_and_ended() {
    let gauge = gauge();
    let (sender, mut receiver) = queue(1000, gauge.clone());
    assert_eq!(sender.push(1, 'a'), Ok(()));
    assert_eq!(sender.shut(), 1);
    assert_eq!(gauge.get(), 0);
    assert_eq!(sender.push(1, 'b'), Err(Refused::Closed));
    sender.open();
    assert_eq!(sender.push(1, 'c'), Ok(()));
    sender.end();
    assert_eq!(sender.push(1, 'd'), Err(Refused::Closed));
    assert_eq!(receiver.recv().await, Some('c'));
    assert_eq!(receiver.recv().await, None);
}

#[tokio::test]
async fn a_reader_that_waits_is_woken() {
    let (sender, mut receiver) = queue(1000, gauge());
    let reader = tokio::spawn(async move { (receiver.recv().await, receiver.recv().await) });
    tokio::task::yield_now().await;
    sender.push(1, 'a').unwrap();
    tokio::task::yield_now().await;
    sender.end();
    assert_eq!(reader.await.unwrap(), (Some('a'), None));
}
