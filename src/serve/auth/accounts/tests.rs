use super::*;
use crate::act::Desk;
use axum::Router;
use axum::http::StatusCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;
use tokio::time::advance;

const NAME: &str = "system:serviceaccount:monitoring:alertmanager-main";

/// An API server that knows every token but those that hold "nobody", or is away.
#[derive(Clone, Default)]
struct Server {
    asked: Arc<AtomicUsize>,
    away: Arc<AtomicUsize>,
    /// While there are some it answers nobody.
    held: Option<Arc<Notify>>,
}

impl Server {
    fn reviews(&self) -> Reviews {
        let server = self.clone();
        let service = Router::new().fallback(move |body: String| server.clone().answer(body));
        let seal = Seal::new().expect("random numbers");
        Reviews::new(Desk::idle_before(service, "").token_reviews(), seal)
    }

    async fn answer(self, body: String) -> (StatusCode, String) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(held) = &self.held {
            held.notified().await;
        }
        if self.away.load(Ordering::SeqCst) > 0 {
            return (StatusCode::SERVICE_UNAVAILABLE, "{}".to_owned());
        }
        let nobody = body.contains(&token("nobody"));
        let status = match nobody {
            true => "{}".to_owned(),
            false => format!(
                r#"{{"authenticated":true,"user":{{"username":"{NAME}"}},"audiences":["nodefall"]}}"#
            ),
        };
        (StatusCode::CREATED, format!(r#"{{"status":{status}}}"#))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn token(claims: &str) -> String {
    let part = URL_SAFE_NO_PAD.encode(claims);
    format!("e30.{part}.c2ln")
}

fn accounts(audience: &str, allowed: &str) -> Accounts {
    Accounts::new(Some(audience), &[allowed.to_owned()]).expect("good accounts")
}

async fn user(reviews: &Reviews, token: &str) -> Result<Option<Arc<str>>, Unknown> {
    let accounts = accounts("nodefall", "monitoring/alertmanager-main");
    reviews.user(token.as_bytes(), &accounts).await
}

#[tokio::test(start_paused = true)]
async fn what_the_api_server_said_is_known_for_a_minute_and_for_two_while_it_is_away() {
    let server = Server::default();
    let (reviews, token) = (server.reviews(), token("{}"));
    let known = || async {
        user(&reviews, &token)
            .await
            .map(|user| user.as_deref() == Some(NAME))
    };
    for _ in 0..10 {
        assert_eq!(known().await, Ok(true));
    }
    assert_eq!(server.asked(), 1);
    advance(FRESH).await;
    assert_eq!((known().await, server.asked()), (Ok(true), 2));
    server.away.store(1, Ordering::SeqCst);
    advance(FRESH).await;
    assert_eq!((known().await, server.asked()), (Ok(true), 3));
    advance(KNOWN - FRESH - Duration::from_secs(1)).await;
    assert_eq!(known().await, Ok(true));
    advance(Duration::from_secs(1)).await;
    assert!(matches!(known().await, Err(Unknown::Unavailable(_))));
    server.away.store(0, Ordering::SeqCst);
    assert_eq!(known().await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn who_is_not_known_is_503_while_the_api_server_is_away() {
    let server = Server::default();
    server.away.store(1, Ordering::SeqCst);
    let reviews = server.reviews();
    let Err(Unknown::Unavailable(why)) = user(&reviews, &token("{}")).await else {
        panic!("it is away");
    };
    assert!(why.contains("503"), "{why}");
    // That is not remembered.
    server.away.store(0, Ordering::SeqCst);
    assert!(
        user(&reviews, &token("{}"))
            .await
            .is_ok_and(|user| user.is_some())
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_nobodys_is_asked_about_every_ten_seconds_at_most() {
    let server = Server::default();
    let (reviews, token) = (server.reviews(), token("nobody"));
    for round in 1..=3 {
        for _ in 0..10 {
            assert_eq!(user(&reviews, &token).await, Ok(None));
        }
        assert_eq!(server.asked(), round);
        advance(REFUSED).await;
    }
}

/// Whoever may make tokens of any account must not crowd out those that are let in.
#[tokio::test(start_paused = true)]
async fn who_is_known_and_not_let_in_is_soon_forgotten() {
    let server = Server::default();
    let (reviews, token) = (server.reviews(), token("{}"));
    let others = accounts("nodefall", "monitoring/another");
    for round in 1..=2 {
        for _ in 0..10 {
            let user = reviews.user(token.as_bytes(), &others).await;
            assert_eq!(user, Ok(Some(NAME.into())));
        }
        assert_eq!(server.asked(), round);
        advance(REFUSED).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_signed_jwt_or_is_over_is_not_even_asked_about() {
    let server = Server::default();
    let reviews = server.reviews();
    let long = format!("e30.{}.c2ln", "e30".repeat(LONGEST / 3));
    for text in [
        "",
        ".",
        "..",
        "a",
        "e30.e30",
        "e30..c2ln",
        ".e30.c2ln",
        "e30.e30.",
        "e30.e30.c2ln.e30",
        "e30.e30.c2ln.e30.e30",
        "e30.e+0.c2ln",
        "e30.e30=.c2ln",
        "e30.e30 .c2ln",
        "e30.é.c2ln",
        &long,
        &token(r#"{"exp":1}"#),
        &token(&format!(r#"{{"exp":{}}}"#, since_1970().as_secs())),
    ] {
        assert_eq!(user(&reviews, text).await, Ok(None), "{text}");
    }
    assert_eq!(user(&reviews, "\u{0}").await, Ok(None));
    let ours = accounts("nodefall", "monitoring/alertmanager-main");
    assert_eq!(reviews.user(b"e30.\xff.c2ln", &ours).await, Ok(None));
    assert_eq!(server.asked(), 0);
    for claims in ["{}", "no JSON", r#"{"exp":"x"}"#, r#"{"exp":99999999999}"#] {
        assert!(
            user(&reviews, &token(claims))
                .await
                .is_ok_and(|user| user.is_some())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_not_known_beyond_its_own_end() {
    let server = Server::default();
    let reviews = server.reviews();
    let token = token(&format!(r#"{{"exp":{}}}"#, since_1970().as_secs() + 30));
    assert!(
        user(&reviews, &token)
            .await
            .is_ok_and(|user| user.is_some())
    );
    server.away.store(1, Ordering::SeqCst);
    assert!(
        user(&reviews, &token)
            .await
            .is_ok_and(|user| user.is_some())
    );
    // By the clock of the test it is over, and by that of the machine it is not.
    advance(Duration::from_secs(30)).await;
    assert!(matches!(
        user(&reviews, &token).await,
        Err(Unknown::Unavailable(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn an_answer_for_one_audience_is_none_for_another() {
    let server = Server::default();
    let (reviews, token) = (server.reviews(), token("{}"));
    assert!(
        user(&reviews, &token)
            .await
            .is_ok_and(|user| user.is_some())
    );
    let other = accounts("other", "monitoring/alertmanager-main");
    assert_eq!(reviews.user(token.as_bytes(), &other).await, Ok(None));
    assert_eq!(server.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn four_questions_at_a_time_and_sixteen_that_wait() {
    let server = Server {
        held: Some(Arc::default()),
        ..Server::default()
    };
    let reviews = Arc::new(server.reviews());
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..100 {
        let reviews = reviews.clone();
        asking.spawn(async move { user(&reviews, &token(&n.to_string())).await });
    }
    let mut busy = 0;
    while busy < 100 - BURST as usize {
        let answer = asking.join_next().await.expect("some").expect("no panic");
        assert_eq!(answer, Err(Unknown::Busy));
        busy += 1;
    }
    // No time has passed: four are being asked about, and no other.
    assert_eq!(server.asked(), AT_A_TIME);
    assert_eq!(asking.len(), AT_A_TIME + WAITING);
}

#[tokio::test(start_paused = true)]
async fn tokens_that_are_made_up_are_asked_about_twenty_times_a_second_and_keep_no_known_one_out() {
    let server = Server::default();
    let reviews = server.reviews();
    let known = token("{}");
    assert!(
        user(&reviews, &known)
            .await
            .is_ok_and(|user| user.is_some())
    );
    advance(FRESH).await;
    for n in 0..10_000 {
        let made_up = user(&reviews, &token(&n.to_string())).await;
        assert!(matches!(made_up, Ok(Some(_)) | Err(Unknown::Busy)));
        advance(Duration::from_millis(1)).await;
    }
    let most = 1 + BURST as usize + 10_000 / 50;
    assert!(server.asked() <= most, "{} questions", server.asked());
    assert!(server.asked() > most - 5, "{} questions", server.asked());
    assert!(
        user(&reviews, &known)
            .await
            .is_ok_and(|user| user.is_some())
    );
}
