use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

fn limits(adjust: impl FnOnce(&mut LimitsSettings)) -> Limits {
    let mut settings = LimitsSettings {
        keys_max: 1_024,
        ..LimitsSettings::default()
    };
    adjust(&mut settings);
    Limits::new(settings, &Registry::new()).unwrap()
}

fn asked(ip: IpAddr) -> Asked<'static> {
    Asked {
        ip: Some(ip),
        token: Some("t"),
        stream: Some("s"),
        tenant: "default",
    }
}

fn v6(bits: u128) -> IpAddr {
    Ipv6Addr::from_bits(bits).into()
}

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

#[test]
fn a_network_of_ipv6_is_one_client() {
    let limits = limits(|settings| settings.connections_per_ip_max = Some(2));
    let network = 0x2001_0db8_u128 << 96;
    let _first = limits.connect(v6(network + 1)).unwrap();
    assert!(limits.is_crowded(v6(network + 9)));
    let second = limits.connect(v6(network + (7 << 40))).unwrap();
    assert!(limits.connect(v6(network + 3)).is_none());
    assert!(limits.connect(v6(network + (1 << 64))).is_some());
    drop(second);
    assert!(limits.connect(v6(network + 3)).is_some());
}

#[test]
fn an_address_in_an_address_is_the_same_client() {
    let limits = limits(|settings| settings.connections_per_ip_max = Some(1));
    let _held = limits.connect(A).unwrap();
    let IpAddr::V4(v4) = A else { panic!() };
    assert!(limits.connect(v4.to_ipv6_mapped().into()).is_none());
    assert!(limits.connect(B).is_some());
}

#[test]
fn each_scope_refuses_for_itself() {
    let one = ScopeLimits {
        requests: Rate::new(1, 1),
        bytes: None,
    };
    for scope in Scope::ALL {
        let limits = limits(|settings| match scope {
            Scope::Ip => settings.ip = one,
            Scope::Stream => settings.stream = one,
            Scope::Tenant => settings.tenant = one,
            Scope::Token => settings.token = one,
        });
        assert!(limits.request(&asked(A)).is_ok());
        let refused = limits.request(&asked(A)).unwrap_err();
        assert_eq!(refused.scope, scope);
        assert!(!refused.is_bandwidth);
        assert!(refused.retry_after <= Duration::from_secs(1));
        let mut other = asked(B);
        other.token = Some("u");
        other.stream = Some("v");
        other.tenant = "w";
        assert!(limits.request(&other).is_ok(), "{scope:?}");
        // Who has none of them is not one client with all others who have none.
        let nobody = Asked {
            ip: None,
            token: None,
            stream: None,
            tenant: "x",
        };
        assert!(limits.request(&nobody).is_ok());
        if scope != Scope::Tenant {
            assert!(limits.request(&nobody).is_ok());
        }
    }
}

#[test]
fn those_who_are_exempt_count_for_nothing() {
    let limits = limits(|settings| {
        settings.exempt = vec!["192.0.2.0/31".parse().unwrap()];
        settings.connections_per_ip_max = Some(1);
        settings.tenant.requests = Rate::new(1, 1);
    });
    let held: Vec<_> = (0..5).map(|_| limits.connect(A).unwrap()).collect();
    assert!(!limits.is_crowded(A));
    assert!((0..5).all(|_| limits.request(&asked(A)).is_ok()));
    assert!(limits.request(&asked(B)).is_ok());
    assert!(limits.request(&asked(B)).is_err());
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn answers_wait_for_their_bandwidth_and_then_requests_are_refused() {
    let limits = limits(|settings| settings.ip.bytes = Rate::new(1_000_000, 1_000_000));
    let permit = limits.request(&asked(A)).unwrap().unwrap();
    let began = tokio::time::Instant::now();
    permit.pace(1_000_000).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    // The limits' clock is the real one: next to nothing has been paid back.
    permit.pace(1_000_000).await;
    let waited = began.elapsed();
    assert!(waited > Duration::from_millis(500) && waited <= Duration::from_secs(1));
    assert!(limits.request(&asked(A)).is_ok());
    permit.pace(3_000_000).await;
    let refused = limits.request(&asked(A)).unwrap_err();
    assert!(refused.is_bandwidth);
    assert!(refused.retry_after > OVERDUE_MAX);
    assert_eq!(refused.as_str(), "limit-ip-bytes");
    assert!(limits.request(&asked(B)).is_ok());
}
