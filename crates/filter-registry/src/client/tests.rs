use super::*;

fn options(url: &str, token: &str) -> ClientOptions {
    ClientOptions {
        url: url.to_owned(),
        token: Secret::new(token),
        ca_file: None,
    }
}

#[test]
fn what_cannot_work_is_told_before_anything_is_sent() {
    for (url, token) in [
        ("ftp://origin", "token"),
        ("origin:9080", "token"),
        ("http://origin", ""),
        ("http://origin", "to ken"),
        ("http://origin", "to\r\nken"),
    ] {
        let made = Client::new(&options(url, token));
        assert!(
            matches!(made, Err(ClientError::Options(_))),
            "{url} {token:?}"
        );
    }
    let missing = ClientOptions {
        ca_file: Some("/nowhere/ca.pem".into()),
        ..options("https://origin", "token")
    };
    let error = Client::new(&missing).unwrap_err();
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}

#[test]
fn a_client_does_not_show_its_token() {
    let client = Client::new(&options("http://origin", "very-secret")).unwrap();
    assert!(!format!("{client:?}").contains("very-secret"));
}

#[tokio::test]
async fn an_unreachable_registry_is_told_with_its_cause() {
    // Bound and dropped: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::new(&options(&format!("http://{address}"), "token")).unwrap();
    let error = client.overview().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
    assert_eq!(error.status(), None);
}

#[tokio::test]
async fn something_else_that_answers_is_not_taken_for_a_registry() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().route("/v1/filters", axum::routing::get(async || "<html>"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = Client::new(&options(&format!("http://{address}"), "token")).unwrap();
    let error = client.overview().await.unwrap_err();
    assert!(matches!(error, ClientError::Answer { .. }), "{error:?}");
    let error = client.audit(0).await.unwrap_err();
    assert!(matches!(error, ClientError::Strange { .. }), "{error:?}");
    assert_eq!(error.status(), Some(StatusCode::NOT_FOUND));
}
