//! Reminders: who is told of the end of a secret, when, and how often.

use super::*;
use jeton_core::reminder::tell;

const DAY: i64 = 86_400;

impl House {
    /// Who is told at that moment.
    fn told(&self, second: i64) -> Vec<String> {
        let now = self.now.plus_seconds(second);
        let told = with_world(now, u8::try_from(second / DAY).expect("some days") + 20, |world| {
            self.engine.transact(world, |records, world| tell(records, world, self.client.key)).expect("a commit")
        });
        told.into_iter().map(|ending| format!("{} {}", ending.kind, ending.name.as_str())).collect()
    }
}

fn ending(after: i64) -> House {
    House::new(|_, client| {
        let ClientKind::Confidential { secrets, .. } = &mut client.kind else { panic!("it has secrets") };
        secrets[0].expires_at = Some(NOW.plus_seconds(after));
    })
}

#[test]
fn it_is_told_once_fourteen_days_before_and_once_three_days_before() {
    let house = ending(20 * DAY);
    let told: Vec<(i64, Vec<String>)> =
        (0..25).map(|day| (day, house.told(day * DAY))).filter(|(_, told)| !told.is_empty()).collect();
    assert_eq!(told, [(6, vec!["secret main".to_owned()]), (17, vec!["secret main".to_owned()])]);
}

#[test]
fn what_ends_sooner_is_told_once() {
    let house = ending(2 * DAY);
    assert_eq!((0..3).map(|day| house.told(day * DAY).len()).collect::<Vec<_>>(), [1, 0, 0]);
}

#[test]
fn another_end_is_told_anew_and_a_client_that_is_gone_is_not() {
    let house = ending(10 * DAY);
    assert_eq!((house.told(0).len(), house.told(0).len()), (1, 0));
    house.write(|records, house| {
        let mut client = house.client.clone();
        let ClientKind::Confidential { secrets, .. } = &mut client.kind else { panic!("it has secrets") };
        secrets[0].expires_at = Some(NOW.plus_seconds(12 * DAY));
        Ok(records.update(&client)?)
    });
    assert_eq!((house.told(0).len(), house.told(0).len()), (1, 0));
    let gone = House::new(|_, client| {
        let ClientKind::Confidential { secrets, .. } = &mut client.kind else { panic!("it has secrets") };
        secrets[0].expires_at = Some(NOW.plus_seconds(DAY));
        client.status = Status::Deleted;
    });
    assert!(gone.told(0).is_empty());
}
