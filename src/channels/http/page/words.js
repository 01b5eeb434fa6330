// Every word that the page says itself, in the languages that there are.

const WORDS = {
  en: {
    title: "Chat",
    connecting: "Connecting…",
    connected: "Online",
    offline: "No connection. Trying again…",
    refused: "Not connected",
    emptyTitle: "How can I help?",
    emptyText: "Write a message, or add a picture.",
    placeholder: "Write a message",
    send: "Send",
    attach: "Add pictures",
    remove: "Remove",
    removePicture: "Remove picture {n}",
    drop: "Drop pictures here",
    reset: "New conversation",
    close: "Close",
    newest: "To the newest message",
    waiting: "Waiting for the answer",
    you: "You",
    bot: "Chatbot",
    notice: "Notice",
    picture: "Picture {n}",
    pictureGone: "This picture is no longer there.",
    forgotten: "This message is no longer kept.",
    copy: "Copy",
    copied: "Copied",
    today: "Today",
    yesterday: "Yesterday",
    sending: "Sending…",
    unsent: "Waiting for the connection…",
    later: "There is a lot going on. Your message will be sent in a moment.",
    again: "Try again",
    failed: "Not sent.",
    tooLong: "This message is too long: {max} characters at most.",
    tooMany: "{max} pictures at most in one message.",
    notPicture: "Only pictures can be sent (PNG, JPEG, GIF, WebP, TIFF, BMP).",
    pictureTooLarge: "This picture is too large: {max} MB at most.",
    maybeTooLarge: "The pictures did not get through. They may be too large.",
    empty_answer: "The chatbot had nothing to say to this.",
    unanswered: "There is no answer to this message.",
    gave_up: "The chatbot could not be reached. Please try again later.",
    no_session: "The chat cannot be opened just now. Trying again…",
    session_expired: "This chat has expired. Please reload the page.",
    unauthorized: "This chat cannot be opened: its token is not valid.",
    not_allowed: "This is not allowed here.",
    not_found: "This is no longer there.",
    too_large: "The message is too large. Send fewer or smaller pictures.",
    invalid: "This message cannot be sent as it is.",
    unsupported_media_type: "This kind of message cannot be sent.",
    rate_limited: "Too many messages at once. Please wait a moment.",
    too_many_pending: "Several messages still wait for their answers. Please wait a moment.",
    unavailable: "The service cannot take messages just now. Please try again in a moment.",
    internal: "Something went wrong. Please try again.",
  },
  "zh-TW": {
    title: "聊天",
    connecting: "連線中…",
    connected: "線上",
    offline: "連線中斷，正在重新連線…",
    refused: "未連線",
    emptyTitle: "有什麼可以幫您的嗎？",
    emptyText: "輸入訊息，或加上一張圖片。",
    placeholder: "輸入訊息",
    send: "傳送",
    attach: "加入圖片",
    remove: "移除",
    removePicture: "移除第 {n} 張圖片",
    drop: "把圖片拖放到這裡",
    reset: "開始新對話",
    close: "關閉",
    newest: "跳到最新訊息",
    waiting: "正在等待回覆",
    you: "您",
    bot: "聊天機器人",
    notice: "通知",
    picture: "圖片 {n}",
    pictureGone: "這張圖片已經不存在了。",
    forgotten: "這則訊息已超過保存期限。",
    copy: "複製",
    copied: "已複製",
    today: "今天",
    yesterday: "昨天",
    sending: "傳送中…",
    unsent: "等待連線中…",
    later: "目前訊息較多，稍後會自動送出。",
    again: "再試一次",
    failed: "傳送失敗。",
    tooLong: "訊息太長了，最多 {max} 個字。",
    tooMany: "一則訊息最多 {max} 張圖片。",
    notPicture: "只能傳送圖片（PNG、JPEG、GIF、WebP、TIFF、BMP）。",
    pictureTooLarge: "這張圖片太大了，上限為 {max} MB。",
    maybeTooLarge: "圖片傳送失敗，可能是檔案太大。",
    empty_answer: "聊天機器人對這則訊息沒有回應。",
    unanswered: "這則訊息沒有回覆。",
    gave_up: "目前無法聯繫聊天機器人，請稍後再試。",
    no_session: "目前無法開啟聊天，正在重試…",
    session_expired: "這個聊天已經過期，請重新整理頁面。",
    unauthorized: "無法開啟這個聊天：存取權杖無效。",
    not_allowed: "這裡不允許這項操作。",
    not_found: "內容已經不存在了。",
    too_large: "訊息太大了，請減少圖片或改用較小的圖片。",
    invalid: "這則訊息無法傳送。",
    unsupported_media_type: "無法傳送這種類型的訊息。",
    rate_limited: "傳送得太快了，請稍候。",
    too_many_pending: "還有幾則訊息正在等待回覆，請稍候。",
    unavailable: "服務目前無法接收訊息，請稍後再試。",
    internal: "發生錯誤，請再試一次。",
  },
};

/** Simplified Chinese is not given the traditional script; a bare `zh` is, as the only Chinese there is. */
function known(tag) {
  const parts = tag.toLowerCase().split(/[-_]/);
  if (parts[0] === "en") return "en";
  const simplified = parts.some((part) => ["hans", "cn", "sg", "my"].includes(part));
  return parts[0] === "zh" && !simplified ? "zh-TW" : null;
}

const asked = new URLSearchParams(location.search).get("lang");
export const lang = [asked, ...navigator.languages].filter(Boolean).map(known).find(Boolean) ?? "en";

/** A text by its name, with what stands in its braces. */
export function say(name, values = {}) {
  return WORDS[lang][name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

/** An error's code in words. A code of a newer bridge is an error like any other. */
export function explain(code) {
  return say(Object.hasOwn(WORDS.en, code) ? code : "internal");
}
