//! Updates that are no messages, each complete as documented (<https://core.telegram.org/bots/api#update>).

use serde_json::{Value, json};

use super::state::now;

pub(super) fn poll() -> Value {
    json!({
        "id": "5300000000000000001",
        "question": "Tea or coffee?",
        "options": [{ "text": "Tea", "voter_count": 1 }, { "text": "Coffee", "voter_count": 2 }],
        "total_voter_count": 3,
        "is_closed": false,
        "is_anonymous": true,
        "type": "regular",
        "allows_multiple_answers": false,
    })
}

/// One of each kind beside messages and `my_chat_member`, by the update's field.
pub(super) fn updates(user: &Value, chat: &Value) -> Vec<(&'static str, Value)> {
    let date = now();
    let business = |id: i64| {
        json!({
            "message_id": id, "date": date, "chat": chat, "from": user, "text": "to a business",
            "business_connection_id": "bc1",
        })
    };
    let group = json!({ "id": -1_001_000_000_777_i64, "type": "supergroup", "title": "Readers" });
    let boost = json!({ "source": "premium", "user": user });
    let address = json!({
        "country_code": "KR", "state": "", "city": "Seoul", "street_line1": "Sejong-daero 110", "street_line2": "",
        "post_code": "04524",
    });
    let member = |status: &str| json!({ "user": user, "status": status });
    vec![
        (
            "business_connection",
            json!({
                "id": "bc1", "user": user, "user_chat_id": user["id"], "date": date,
                "rights": { "can_reply": true }, "is_enabled": true,
            }),
        ),
        ("business_message", business(11)),
        ("edited_business_message", business(11)),
        (
            "deleted_business_messages",
            json!({ "business_connection_id": "bc1", "chat": chat, "message_ids": [11, 12] }),
        ),
        ("inline_query", json!({ "id": "q1", "from": user, "query": "cats", "offset": "" })),
        ("chosen_inline_result", json!({ "result_id": "r1", "from": user, "query": "cats" })),
        (
            "callback_query",
            json!({
                "id": "c1", "from": user, "chat_instance": "-42", "data": "yes",
                "message": { "message_id": 3, "date": date, "chat": chat, "text": "Sure?" },
            }),
        ),
        ("shipping_query", json!({ "id": "s1", "from": user, "invoice_payload": "p", "shipping_address": address })),
        (
            "pre_checkout_query",
            json!({ "id": "p1", "from": user, "currency": "EUR", "total_amount": 145, "invoice_payload": "p" }),
        ),
        ("purchased_paid_media", json!({ "from": user, "paid_media_payload": "p" })),
        ("poll", poll()),
        ("poll_answer", json!({ "poll_id": "5300000000000000001", "user": user, "option_ids": [1] })),
        ("chat_join_request", json!({ "chat": group, "from": user, "user_chat_id": user["id"], "date": date })),
        (
            "chat_boost",
            json!({
                "chat": group,
                "boost": { "boost_id": "b1", "add_date": date, "expiration_date": date + 86_400, "source": boost },
            }),
        ),
        ("removed_chat_boost", json!({ "chat": group, "boost_id": "b1", "remove_date": date, "source": boost })),
        (
            "chat_member",
            json!({
                "chat": group, "from": user, "date": date, "old_chat_member": member("left"),
                "new_chat_member": member("member"),
            }),
        ),
        (
            "message_reaction",
            json!({
                "chat": group, "message_id": 5, "user": user, "date": date, "old_reaction": [],
                "new_reaction": [{ "type": "emoji", "emoji": "👍" }],
            }),
        ),
        (
            "message_reaction_count",
            json!({
                "chat": group, "message_id": 5, "date": date,
                "reactions": [{ "type": { "type": "emoji", "emoji": "👍" }, "total_count": 2 }],
            }),
        ),
    ]
}
