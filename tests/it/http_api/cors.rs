//! From which sites' pages a browser may call.

use reqwest::{Method, Response};

use crate::support::{Bridge, KEY, Setup};

async fn preflight(bridge: &Bridge, origin: &str) -> Response {
    let request = bridge.client.request(Method::OPTIONS, bridge.url("/v1/messages")).header("Origin", origin);
    let request = request.header("Access-Control-Request-Method", "POST");
    request.header("Access-Control-Request-Headers", "authorization,idempotency-key").send().await.unwrap()
}

fn allowed(response: &Response) -> Option<&str> {
    response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn listed_sites_are_let_in_and_no_others() {
    let bridge =
        Setup::default().set("CHANNELS__WEB__ORIGINS", "https://shop.example,http://localhost:3000").start().await;
    for origin in ["https://shop.example", "http://localhost:3000"] {
        let response = preflight(&bridge, origin).await;
        assert!(response.status().is_success());
        assert_eq!(allowed(&response), Some(origin));
        let headers = response.headers()["access-control-allow-headers"].to_str().unwrap().to_lowercase();
        for header in ["authorization", "content-type", "idempotency-key", "last-event-id", "prefer"] {
            assert!(headers.contains(header), "{headers}");
        }
        assert!(response.headers().get("access-control-allow-credentials").is_none(), "no cookies here");
        let read = bridge.get(KEY, "/v1/messages/x").header("Origin", origin).send().await.unwrap();
        assert_eq!((read.status().as_u16(), allowed(&read)), (404, Some(origin)), "errors can be read, too");
        assert!(
            read.headers().get_all("vary").iter().any(|vary| vary.to_str().unwrap().to_lowercase().contains("origin"))
        );
    }
    for origin in ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null"] {
        assert_eq!(allowed(&preflight(&bridge, origin).await), None, "{origin}");
        let read = bridge.get(KEY, "/v1/messages/x").header("Origin", origin).send().await.unwrap();
        assert_eq!(allowed(&read), None, "{origin}");
    }
}

#[tokio::test]
async fn without_a_list_no_page_is() {
    let bridge = Bridge::new().await;
    let response = preflight(&bridge, "https://shop.example").await;
    assert_eq!((response.status().as_u16(), allowed(&response)), (405, None));
}
