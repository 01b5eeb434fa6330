//! What every channel that pushes must do, written once: `channel_suite!(Platform, skips: […])` makes a test of each
//! property, against the platform's fake. What a platform lacks is skipped by name, and a test holds the list of it.

pub(crate) mod crash;
pub(crate) mod delivery;
pub(crate) mod doubt;
pub(crate) mod groups;
pub(crate) mod intake;
pub(crate) mod media;
pub(crate) mod notices;
pub(crate) mod refusals;
pub(crate) mod secrets;
mod world;

use std::time::{Duration, Instant};

use crate::support::Setup;
pub(crate) use world::World;

/// Where people write: to the bot alone (each under a number of their own), or in the one group that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chat {
    With(u8),
    Group,
}

pub(crate) const ANN: Chat = Chat::With(1);
pub(crate) const BEA: Chat = Chat::With(2);
pub(crate) const CID: Chat = Chat::With(3);

/// What not every platform has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It sends again what nobody has acknowledged.
    Acknowledgement,
    /// People can change what they wrote.
    Edits,
    Albums,
    Pictures,
    /// Links to pictures that end.
    Links,
    /// Messages that are neither text nor picture.
    Voice,
    Groups,
    /// A message can name the one that it answers.
    Replies,
    /// Formatting that it may refuse.
    Markup,
    Typing,
    /// A limit that is said to be the whole bot's.
    BotLimits,
    /// A chat can shut the bot out.
    Gone,
    /// A send that is repeated arrives twice: it knows none again.
    Doubles,
}

/// What goes wrong with a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Too many for the chat; whole seconds.
    ChatLimit(Duration),
    /// Too many for the bot; whole seconds.
    BotLimit(Duration),
    /// A TCP reset; nothing was sent.
    Reset,
    /// Sent, then a TCP reset instead of the answer.
    SentThenReset,
    /// No answer until the client goes; nothing was sent.
    Hang,
    /// Sent, and no answer until the client goes.
    SentThenHang,
    /// A failure of the server's own (5xx); nothing was sent.
    Busy,
    /// The formatting cannot be read.
    RejectsMarkup,
    /// Not this text, however it is sent.
    Rejects,
}

/// The sends that a fault is meant for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum On<'a> {
    To(Chat),
    /// The text contains this.
    Text(&'a str),
}

/// A message that a chat has got.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) text: String,
    /// Not in the plain form.
    pub(crate) formatted: bool,
    /// As [`Platform::says`] named it.
    pub(crate) reply_to: Option<String>,
}

/// A platform's fake, and how its channel is told to talk to it. All of it is what the platform does; the rest is the
/// [`World`]'s.
pub(crate) trait Platform: Sized {
    /// The channels of the suite are called after it.
    const NAME: &'static str;
    const TOKEN: &'static str;
    const LACKS: &'static [Need];
    /// The most (ASCII) characters of a message.
    const MOST: usize;
    /// How long the platform shows "typing" for.
    const TYPING_LASTS: Duration;
    /// The keys of the section that say how long a call may take, and how long an album is held.
    const TIMEOUT_KEY: &'static str;
    const ALBUM_KEY: &'static str;

    async fn start() -> Self;

    /// Adds the channel: quick (albums are held for 300 ms, calls given up after a second or two) and unpaced.
    fn configure(&self, setup: Setup, id: &str) -> Setup;

    /// The bridge has started, and listens there: where a webhook is to reach it, whatever it was told. Returns once it hears
    /// what people write; what a platform keeps for it meanwhile need not be waited for.
    async fn bridge_is_at(&self, url: &str);

    /// Somebody writes; in the group, to other people. Answers the message's name.
    fn says(&self, chat: Chat, text: &str) -> String;

    /// Somebody writes to the bot in the group.
    fn addresses(&self, text: &str) -> String;

    /// A picture; of an album, if it is named.
    fn shows(&self, chat: Chat, picture: &[u8], caption: &str, album: Option<&str>) -> String;

    /// A voice message.
    fn speaks(&self, chat: Chat);

    fn edits(&self, chat: Chat, message: &str, text: &str);

    /// Everything that people wrote is told again; answers how much that is.
    fn redelivers(&self) -> u64;

    /// Nothing that was told will be told again.
    fn acknowledged_all(&self) -> bool;

    /// So many links to pictures to come end before they are used.
    fn links_expire(&self, times: u32);

    /// What a chat has got, in order.
    fn sent(&self, chat: Chat) -> Vec<Sent>;

    /// When it was tried to send something to a chat, whatever came of it.
    fn attempts(&self, chat: Chat) -> Vec<Instant>;

    /// The next sends that it is meant for fail, `times` of them; 0 = until [`Platform::heals`].
    fn fails(&self, fault: Fault, on: On<'_>, times: u32);

    fn heals(&self);

    /// The bot may not write there any more, or may again; it is not told.
    fn shuts_out(&self, chat: Chat, out: bool);

    fn refuses_token(&self, refused: bool);

    /// How often "typing" was shown.
    fn typing(&self, chat: Chat) -> usize;

    /// How often a send came for a chat for which another one was open.
    fn overlaps(&self) -> u64;

    /// What the platform lets pass and a good client does not do.
    fn violations(&self) -> Vec<String>;
}

/// Whether a platform has all that a property needs; says so if not (to be seen with `--nocapture`).
#[expect(clippy::print_stderr, reason = "what is skipped is to be seen")]
pub(crate) fn applies<P: Platform>(property: &str, needs: &[Need]) -> bool {
    let lacks: Vec<_> = needs.iter().filter(|need| P::LACKS.contains(need)).collect();
    if !lacks.is_empty() {
        eprintln!("{}: {property} is skipped, as the platform lacks {lacks:?}", P::NAME);
    }
    lacks.is_empty()
}

/// The properties of the suite, and which of them a platform skips.
#[expect(clippy::print_stderr, reason = "what is skipped is to be seen")]
pub(crate) fn assert_skips<P: Platform>(properties: &[(&str, &[Need])], expected: &[&str]) {
    let skipped: Vec<_> = properties.iter().filter(|(name, needs)| !applies::<P>(name, needs)).collect();
    let skipped: Vec<_> = skipped.into_iter().map(|(name, _)| *name).collect();
    eprintln!("{}: {} of {} properties are skipped", P::NAME, skipped.len(), properties.len());
    assert_eq!(skipped, expected, "{}", P::NAME);
}

/// The tests of the suite, for one platform.
macro_rules! channel_suite {
    ($platform:ty, skips: $skips:expr) => {
        crate::channel_suite::channel_suite! { @ $platform, $skips,
            intake::nothing_is_acknowledged_before_it_is_stored [Acknowledgement]
            intake::what_comes_again_is_answered_once []
            intake::an_edit_counts_until_the_ask [Edits]
            intake::commands_are_carried_out_in_order_with_messages []
            intake::too_many_at_once_are_told_so_once []
            media::a_picture_is_seen_and_a_link_that_has_ended_asked_for_again [Pictures Links]
            media::an_album_is_one_turn_and_a_late_member_another [Albums Pictures]
            media::an_album_is_held_across_a_crash [Albums Pictures]
            media::what_cannot_be_read_is_explained_once [Voice]
            groups::only_what_addresses_the_bot_is_answered [Groups]
            groups::the_first_part_of_an_answer_names_its_question [Groups Replies]
            delivery::each_chat_keeps_its_order_and_waits_for_no_other []
            delivery::a_long_answer_comes_whole_in_order_and_within_the_limit []
            delivery::a_limit_of_a_chat_delays_no_other []
            delivery::a_limit_of_the_bot_delays_all [BotLimits]
            refusals::what_the_markup_refuses_goes_out_plain_and_only_that [Markup]
            refusals::a_part_that_is_refused_ends_its_answer_with_one_notice []
            refusals::a_chat_that_is_gone_is_left_alone_until_it_is_heard_again [Gone]
            refusals::a_refused_token_pauses_the_channel_and_buries_nothing []
            doubt::a_send_in_doubt_is_repeated_once_and_counted []
            doubt::at_will_it_is_set_aside_and_the_rest_goes_on [Doubles]
            notices::typing_is_shown_while_somebody_waits [Typing]
            crash::a_backlog_is_answered_once_and_in_order []
            crash::what_is_answered_and_not_sent_is_sent_once []
            crash::only_the_open_send_may_be_doubled []
            secrets::neither_the_token_nor_anybodys_words_are_told []
        }
    };
    (@ $platform:ty, $skips:expr, $($module:ident::$test:ident [$($need:ident)*])*) => {
        $(
            #[tokio::test]
            async fn $test() {
                let needs = &[$(crate::channel_suite::Need::$need),*];
                if crate::channel_suite::applies::<$platform>(stringify!($test), needs) {
                    crate::channel_suite::$module::$test::<$platform>().await;
                }
            }
        )*

        #[test]
        fn nothing_else_is_skipped() {
            let properties: &[(&str, &[crate::channel_suite::Need])] =
                &[$((stringify!($test), &[$(crate::channel_suite::Need::$need),*])),*];
            crate::channel_suite::assert_skips::<$platform>(properties, &$skips);
        }
    };
}
pub(crate) use channel_suite;
