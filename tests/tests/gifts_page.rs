//! Accounts, gifts, the studio's earnings and the staff's page, in Chromium, at two edges.

use tests::browser::{self, Gave};
use tests::node;
use tests::origin::STREAM;
use tests::shop::{Customer, PASSWORD, Shop};

/// What `ann` has: enough for roses (10 each), soon not for an applause (50).
const COINS: u64 = 75;

#[tokio::test]
async fn somebody_gives_and_everybody_sees_it() -> anyhow::Result<()> {
    let shop = Shop::open(2).await?;
    let ann = shop.rich("ann", COINS).await?;
    let hugo = shop.register("hugo").await?;
    let stella = shop.register("stella").await?;
    shop.grant(&hugo, "broadcaster", Some(STREAM)).await?;
    shop.grant(&stella, "staff", None).await?;
    let (one, two) = (shop.club.edge(0)?, shop.club.edge(1)?);
    let urls = [one.https_url(), two.https_url()];
    let spkis = format!("{},{}", one.spki()?, two.spki()?);
    let shots = node::directory("shots")?;
    let gave = browser::give([&urls[0], &urls[1]], (STREAM, PASSWORD), &spkis, &shots).await?;
    println!("{gave:#?} {}", shots.display());
    check_viewers(&gave, &ann);
    check_others(&gave);
    assert_eq!(gave.errors, Vec::<String>::new());
    // The pages and the ledger agree: four roses, and what staff credited.
    assert_eq!(shop.coins(&ann).await?, 1_035);
    let earned = shop.balance(&format!("diamond:room:{STREAM}")).await?;
    assert_eq!(earned, 20);
    shop.verify().await?;
    Ok(())
}

/// The watch page, of who gives and of who looks on.
fn check_viewers(gave: &Gave, ann: &Customer) {
    assert_eq!(gave.wrong_password, "Login or password is wrong.");
    assert_eq!(gave.coins, [75, 45, 45]);
    let mut given: Vec<&str> = gave.given.iter().map(String::as_str).collect();
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 3, "each tap is a gift of its own: {given:?}");
    let mut told: Vec<&str> = gave.told.iter().map(|(id, _)| id.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, given, "each gift comes once");
    let combo: Vec<u32> = gave.told.iter().map(|(_, count)| *count).collect();
    assert_eq!(combo, [1, 2, 3]);
    let line = || vec!["ann gave Rose × 3".to_owned()];
    assert_eq!(gave.lines, [line(), line()]);
    // On a machine that is slow some may not rise; none rises twice.
    let rose = |count: &u32| (1..=3).contains(count);
    assert!(gave.roses.iter().all(rose), "{:?}", gave.roses);
    assert!(
        gave.short.contains("costs 50 coins; you have 45 coins"),
        "{}",
        gave.short
    );
    assert_eq!(gave.wallet, ["1,035 coins", "Coins added +1,000"]);
    let [before, after] = &gave.rooms_of;
    assert_eq!(before, &ann.id);
    assert!(after.starts_with("listener-"), "who signs out is {after}");
    assert_eq!(gave.left, "Sign in to give gifts.");
}

/// The studio and the staff's page.
fn check_others(gave: &Gave) {
    assert_eq!(gave.studio.balance, "15 diamonds");
    assert_eq!(gave.studio.day, ["3", "30", "15"]);
    assert_eq!(gave.studio.gifts.len(), 3, "{:?}", gave.studio.gifts);
    assert!(gave.studio.moderates, "a viewer in the own studio");
    assert_eq!(gave.goal, ["0 of 500", "10 of 500"]);
    assert!(
        gave.visitor.contains("ann, who is not staff"),
        "{}",
        gave.visitor
    );
    let credited = &gave.credited;
    assert!(
        credited.ends_with("The balance is 1,035 coins."),
        "{credited}"
    );
    assert_eq!(gave.verdict, "✓ It adds up.");
}
