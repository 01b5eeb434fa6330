//! Access tokens: expiry and refresh.

use std::time::Duration;

use caigunn_bridge::model::Secret;
use caigunn_bridge::sandbox::{Call, SandboxOptions, SettingsPatch};
use serde_json::Value;

use super::{World, refused};

async fn refresh(world: &World, query: &str) -> reqwest::Response {
    let request = world.http.get(world.url(&format!("/user/token/refresh{query}")));
    request.header("caigunn-access-token", &world.token).send().await.unwrap()
}

async fn new_token(world: &World) -> String {
    let answer = refresh(world, "?expired_date=2027-01-31").await;
    assert_eq!(answer.status(), 200);
    answer.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_refresh_gives_a_new_token_and_the_old_one_dies_or_not() {
    let mut world = World::plain().await;
    let old = world.token.clone();
    let new = new_token(&world).await;
    assert_ne!(new, old);
    assert_eq!(refused(world.talk("u", "x")).await.0, 401);
    world.token = new;
    world.say("u", "x").await;
    assert_eq!(world.sandbox.log()[0].call, Call::Refresh);

    world.sandbox.change(&SettingsPatch { old_token_dies: Some(false), ..SettingsPatch::default() });
    new_token(&world).await;
    world.say("u", "the old one lives on").await;
}

#[tokio::test]
async fn an_expired_token_may_refresh_itself_where_that_reading_is_chosen() {
    let mut world = World::plain().await;
    world.sandbox.expire_token();
    let (status, detail) = refused(world.talk("u", "x")).await;
    assert_eq!((status, detail.as_str()), (401, "The access token has expired."));
    world.token = new_token(&world).await;
    world.say("u", "x").await;

    world.sandbox.change(&SettingsPatch { expired_token_refreshes: Some(false), ..SettingsPatch::default() });
    world.sandbox.expire_token();
    assert_eq!(refresh(&world, "").await.status(), 401);
}

#[tokio::test]
async fn tokens_expire_by_themselves_when_they_have_a_time_to_live() {
    let ttl = Some(Duration::from_secs(2));
    let world = World::new(SandboxOptions { token_ttl: ttl, ..SandboxOptions::default() }).await;
    world.say("u", "x").await;
    tokio::time::sleep(Duration::from_millis(2_010)).await;
    assert_eq!(refused(world.talk("u", "x")).await.0, 401);
}

#[tokio::test]
async fn a_refused_refresh_is_over_when_a_new_token_is_given() {
    let mut world = World::plain().await;
    world.sandbox.expire_token();
    world.sandbox.refuse_refresh(true);
    assert_eq!(refresh(&world, "").await.status(), 401);
    world.sandbox.add_token(&Secret::new("brand-new"));
    world.token = "brand-new".into();
    world.say("u", "x").await;
}

#[tokio::test]
async fn a_refresh_needs_a_token_and_a_date_that_is_one() {
    let world = World::plain().await;
    let url = world.url("/user/token/refresh");
    assert_eq!(refused(world.http.get(&url)).await.0, 401);
    assert_eq!(refused(world.http.get(&url).header("caigunn-access-token", "other")).await.0, 401);
    assert_eq!(refresh(&world, "?expired_date=tomorrow").await.status(), 400);
    assert_eq!(refresh(&world, "?expired_date=2027-1-3").await.status(), 200);
}
