//! Cases about rows: what is written is read, in order and in bounds, or nothing is.

use super::*;

/// What was committed is read by key.
pub fn a_batch_is_read_back(fresh: Fresh<'_>) {
    let store = fresh();
    let first =
        Row { body: "{\"b\":1,  \"a\":\"ä\\u0000\"}".into(), expires_at: Some(NOW.plus_seconds(9)), ..client(1, 7, "ä z") };
    assert_eq!(
        write(&*store, vec![Write::Insert(Client::KIND, first.clone()), Write::Insert(LastUse::KIND, note(1, "[]"))]),
        Ok(())
    );
    assert_eq!(get(&*store, Client::KIND, 1), Some(first));
    assert_eq!(get(&*store, LastUse::KIND, 1), Some(note(1, "[]")));
    assert_eq!(get(&*store, Usage::KIND, 1), None);
}

/// A batch that conflicts in its last write, or in a guard, changes nothing.
pub fn an_aborted_batch_leaves_nothing(fresh: Fresh<'_>) {
    let store = fresh();
    write(&*store, vec![Write::Insert(LastUse::KIND, note(1, "1"))]).expect("commits");
    let writes = vec![
        Write::Replace(LastUse::KIND, note(1, "2")),
        Write::Insert(LastUse::KIND, note(2, "2")),
        Write::Insert(LastUse::KIND, note(1, "3")),
    ];
    assert_eq!(write(&*store, writes.clone()), Err(CommitError::Conflict));
    let stale = vec![guard(LastUse::KIND, 1, Some(2))];
    assert_eq!(store.commit(batch(NOW, stale, writes[..2].to_vec())), Err(CommitError::Conflict));
    let absent = vec![guard(LastUse::KIND, 1, None)];
    assert_eq!(store.commit(batch(NOW, absent, writes[..2].to_vec())), Err(CommitError::Conflict));
    assert_eq!((get(&*store, LastUse::KIND, 1), get(&*store, LastUse::KIND, 2)), (Some(note(1, "1")), None));
    let good = vec![guard(LastUse::KIND, 1, Some(1)), guard(LastUse::KIND, 2, None)];
    assert_eq!(store.commit(batch(NOW, good, writes[..2].to_vec())), Ok(()));
    let changed: Vec<Key> = follow(&*store, Position::default(), 3).iter().map(|change| change.key).collect();
    assert_eq!(changed, [key(1), key(1), key(2)], "what was undone is not told");
}

/// Inserting a key that is there conflicts.
pub fn a_taken_key_conflicts(fresh: Fresh<'_>) {
    let store = fresh();
    assert_eq!(write(&*store, vec![Write::Insert(Client::KIND, client(1, 1, "a"))]), Ok(()));
    assert_eq!(write(&*store, vec![Write::Insert(Client::KIND, client(1, 1, "b"))]), Err(CommitError::Conflict));
}

/// A unique value conflicts on insert and on replace, but not with the row itself.
pub fn a_taken_unique_value_conflicts(fresh: Fresh<'_>) {
    let store = fresh();
    let two = vec![Write::Insert(Client::KIND, client(1, 1, "a")), Write::Insert(Client::KIND, client(2, 2, "a"))];
    assert_eq!(write(&*store, two), Ok(()));
    assert_eq!(write(&*store, vec![Write::Insert(Client::KIND, client(3, 1, "a"))]), Err(CommitError::Conflict));
    assert_eq!(write(&*store, vec![Write::Replace(Client::KIND, client(2, 1, "a"))]), Err(CommitError::Conflict));
    assert_eq!(write(&*store, vec![Write::Replace(Client::KIND, client(1, 1, "a"))]), Ok(()));
    let moved = vec![Write::Delete(Client::KIND, key(1)), Write::Insert(Client::KIND, client(3, 1, "a"))];
    assert_eq!(write(&*store, moved), Ok(()));
}

/// Rows with a null share the rest of a unique index.
pub fn nulls_are_never_equal_in_a_unique_index(fresh: Fresh<'_>) {
    let store = fresh();
    let half = |number| Write::Insert(Client::KIND, row(number, vec![key(1).into(), Value::Null], "{}"));
    assert_eq!(write(&*store, vec![half(1), half(2)]), Ok(()));
    assert_eq!(found(&*store, &scan(Client::KIND, Some("client_id"), vec![key(1).into(), Value::Null])), [1, 2]);
}

/// Replace, touch and delete need a row.
pub fn writes_of_absent_rows_conflict(fresh: Fresh<'_>) {
    let store = fresh();
    for absent in
        [Write::Replace(LastUse::KIND, note(1, "1")), Write::Touch(LastUse::KIND, key(1)), Write::Delete(LastUse::KIND, key(1))]
    {
        assert_eq!(write(&*store, vec![absent]), Err(CommitError::Conflict));
    }
}

/// Replace and touch count, a touch changes nothing else.
pub fn versions_grow_by_one(fresh: Fresh<'_>) {
    let store = fresh();
    let first = Row { version: 7, ..client(1, 1, "a") };
    write(&*store, vec![Write::Insert(Client::KIND, first)]).expect("commits");
    assert_eq!(version(&*store, Client::KIND, 1), Some(1));
    write(&*store, vec![Write::Replace(Client::KIND, Row { version: 9, ..client(1, 1, "b") })]).expect("commits");
    write(&*store, vec![Write::Touch(Client::KIND, key(1))]).expect("commits");
    assert_eq!(get(&*store, Client::KIND, 1), Some(Row { version: 3, ..client(1, 1, "b") }));
    write(&*store, vec![Write::Touch(Client::KIND, key(1)), Write::Touch(Client::KIND, key(1))]).expect("commits");
    assert_eq!(version(&*store, Client::KIND, 1), Some(5));
}

/// A deleted row is found neither by key nor by index, and its key may be used again.
pub fn a_deleted_row_is_gone(fresh: Fresh<'_>) {
    let store = fresh();
    write(&*store, vec![Write::Insert(Client::KIND, client(1, 1, "a"))]).expect("commits");
    write(&*store, vec![Write::Delete(Client::KIND, key(1))]).expect("commits");
    assert_eq!(get(&*store, Client::KIND, 1), None);
    assert_eq!(found(&*store, &scan(Client::KIND, Some("client_id"), vec![key(1).into()])), [0; 0]);
    assert_eq!(write(&*store, vec![Write::Insert(Client::KIND, client(1, 1, "a"))]), Ok(()));
}

/// The same batch is never written twice.
pub fn a_used_batch_id_conflicts(fresh: Fresh<'_>) {
    let store = fresh();
    let once = batch(NOW, Vec::new(), vec![Write::Insert(LastUse::KIND, note(1, "1"))]);
    assert_eq!(store.commit(once.clone()), Ok(()));
    let again = Batch { writes: vec![Write::Touch(LastUse::KIND, key(1))], ..once };
    assert_eq!(store.commit(again), Err(CommitError::Conflict));
    assert_eq!(version(&*store, LastUse::KIND, 1), Some(1));
}

/// From its end on a row is neither read, nor guarded, nor in the way of a key or a unique value.
pub fn ended_rows_are_not_there(fresh: Fresh<'_>) {
    let store = fresh();
    let end = NOW.plus_seconds(10);
    let short = |number, id| Row { expires_at: Some(end), ..client(number, 1, id) };
    write(&*store, vec![Write::Insert(Client::KIND, short(1, "a")), Write::Insert(Client::KIND, short(2, "b"))])
        .expect("commits");
    let by_index = scan(Client::KIND, Some("client_id"), vec![key(1).into()]);
    for (now, rows) in [(NOW.plus_seconds(9), 2), (Time::from_millis(end.millis() - 1), 2), (end, 0)] {
        assert_eq!(look(&*store, now, |view| view.scan(&by_index)).len(), rows);
        assert_eq!(look(&*store, now, |view| view.get(Client::KIND, key(1))).is_some(), rows > 0);
    }
    for absent in
        [Write::Replace(Client::KIND, client(1, 1, "a")), Write::Touch(Client::KIND, key(1)), Write::Delete(Client::KIND, key(1))]
    {
        assert_eq!(store.commit(batch(end, Vec::new(), vec![absent])), Err(CommitError::Conflict));
    }
    let seen = vec![guard(Client::KIND, 1, Some(1))];
    assert_eq!(store.commit(batch(end, seen, Vec::new())), Err(CommitError::Conflict));
    let unseen = vec![guard(Client::KIND, 1, None), guard(Client::KIND, 2, None)];
    let writes = vec![Write::Insert(Client::KIND, client(1, 1, "c")), Write::Insert(Client::KIND, client(3, 1, "b"))];
    assert_eq!(store.commit(batch(end, unseen, writes)), Ok(()));
    let listed = look(&*store, end, |view| view.scan(&by_index));
    assert_eq!(listed, [client(3, 1, "b"), client(1, 1, "c")]);
}

/// A sweep removes ended rows, old changes and old ids, no more than it is told, and nothing else.
pub fn the_sweep_is_bounded(fresh: Fresh<'_>) {
    let store = fresh();
    let end = NOW.plus_seconds(10);
    let rows = (1..=5).map(|number| Write::Insert(LastUse::KIND, Row { expires_at: Some(end), ..note(number, "1") }));
    write(&*store, rows.chain([Write::Insert(LastUse::KIND, note(6, "1"))]).collect()).expect("commits");
    assert_eq!(store.sweep(NOW, 100), Ok(0));
    assert_eq!((store.sweep(end, 2), store.sweep(end, 100), store.sweep(end, 100)), (Ok(2), Ok(3), Ok(0)));
    let later = NOW.plus_seconds(49 * 3600);
    assert_eq!((store.sweep(later, 4), store.sweep(later, 100)), (Ok(4), Ok(3)), "six changes and one batch id");
    assert_eq!(found(&*store, &scan(LastUse::KIND, None, Vec::new())), [6]);
    assert_eq!(store.changes(Default::default(), 10), Ok(Vec::new()));
}

/// Scans follow the index, then the key, in both directions, and stop at their limit.
pub fn scans_are_ordered_and_bounded(fresh: Fresh<'_>) {
    let store = fresh();
    let rows = [(5, 1, "b"), (4, 1, "a"), (3, 2, "a"), (2, 1, "B"), (1, 1, "ä"), (6, 1, "aa")];
    write(&*store, rows.iter().map(|(number, realm, id)| Write::Insert(Client::KIND, client(*number, *realm, id))).collect())
        .expect("commits");
    let mut by_id = scan(Client::KIND, Some("client_id"), vec![key(1).into()]);
    assert_eq!(found(&*store, &by_id), [2, 4, 6, 5, 1], "text is ordered by bytes");
    by_id.limit = 2;
    assert_eq!(found(&*store, &by_id), [2, 4]);
    by_id.order = Order::Descending;
    assert_eq!(found(&*store, &by_id), [1, 5]);
    by_id.limit = 0;
    assert_eq!(found(&*store, &by_id), [0; 0]);
    assert_eq!(found(&*store, &scan(Client::KIND, Some("client_id"), vec![key(2).into(), "a".into()])), [3]);
    assert_eq!(found(&*store, &scan(Client::KIND, Some("client_id"), Vec::new())), [2, 4, 6, 5, 1, 3]);
    assert_eq!(found(&*store, &scan(Client::KIND, None, Vec::new())), [1, 2, 3, 4, 5, 6]);
    let numbers = [(1, -3), (2, 10), (3, 9)].map(|(number, hour)| Write::Insert(Usage::KIND, usage(number, 1, hour)));
    write(&*store, numbers.into()).expect("commits");
    assert_eq!(found(&*store, &scan(Usage::KIND, Some("client_hour"), vec![key(1).into()])), [1, 3, 2], "numbers by value");
}

/// A scan starts behind its place, whether or not a row stands there.
pub fn scans_start_behind_a_place(fresh: Fresh<'_>) {
    let store = fresh();
    let rows = [(1, 1, "a"), (2, 1, "b"), (3, 1, "c"), (4, 2, "a"), (5, 2, "b")];
    write(&*store, rows.iter().map(|(number, realm, id)| Write::Insert(Client::KIND, client(*number, *realm, id))).collect())
        .expect("commits");
    let whole = |values: Vec<Value>, number, order| {
        let after = Some(Place { values, key: key(number) });
        found(&*store, &Scan { after, order, ..scan(Client::KIND, Some("client_id"), Vec::new()) })
    };
    assert_eq!(whole(vec![key(1).into(), "b".into()], 2, Order::Ascending), [3, 4, 5]);
    assert_eq!(whole(vec![key(1).into(), "b".into()], 1, Order::Ascending), [2, 3, 4, 5]);
    assert_eq!(whole(vec![key(1).into(), "bb".into()], 9, Order::Ascending), [3, 4, 5]);
    assert_eq!(whole(vec![key(2).into(), "a".into()], 4, Order::Descending), [3, 2, 1]);
    assert_eq!(whole(vec![key(2).into(), "b".into()], 9, Order::Descending), [5, 4, 3, 2, 1]);
    let after = Some(Place { values: vec!["a".into()], key: key(1) });
    assert_eq!(found(&*store, &Scan { after, ..scan(Client::KIND, Some("client_id"), vec![key(1).into()]) }), [2, 3]);
    let after = Some(Place { values: Vec::new(), key: key(3) });
    assert_eq!(found(&*store, &Scan { after: after.clone(), ..scan(Client::KIND, None, Vec::new()) }), [4, 5]);
    assert_eq!(found(&*store, &Scan { after, order: Order::Descending, ..scan(Client::KIND, None, Vec::new()) }), [2, 1]);
}

/// A null is a value of its own, before all others.
pub fn nulls_come_first(fresh: Fresh<'_>) {
    let store = fresh();
    let rows = [(1, Some(8)), (2, None), (3, Some(7)), (4, None)];
    write(&*store, rows.iter().map(|(number, client)| Write::Insert(JournalEntry::KIND, entry(*number, *client, "r"))).collect())
        .expect("commits");
    let of_realm = scan(JournalEntry::KIND, Some("client"), vec![key(1).into()]);
    assert_eq!(found(&*store, &of_realm), [2, 4, 3, 1]);
    assert_eq!(found(&*store, &Scan { order: Order::Descending, ..of_realm.clone() }), [1, 3, 4, 2]);
    assert_eq!(found(&*store, &scan(JournalEntry::KIND, Some("client"), vec![key(1).into(), Value::Null])), [2, 4]);
    let behind = |value, number, order| {
        let after = Some(Place { values: vec![value], key: key(number) });
        found(&*store, &Scan { after, order, ..of_realm.clone() })
    };
    assert_eq!(behind(Value::Null, 2, Order::Ascending), [4, 3, 1]);
    assert_eq!(behind(Value::Null, 4, Order::Descending), [2]);
    assert_eq!(behind(key(7).into(), 3, Order::Descending), [4, 2]);
    assert_eq!(behind(key(7).into(), 3, Order::Ascending), [1]);
}

/// A scan that does not fit its kind is our mistake, and said so.
pub fn a_wrong_scan_is_a_fault(fresh: Fresh<'_>) {
    let store = fresh();
    let wrong = [
        scan(Client::KIND, Some("colour"), Vec::new()),
        scan(Client::KIND, None, vec![key(1).into()]),
        Scan {
            after: Some(Place { values: Vec::new(), key: key(1) }),
            ..scan(Client::KIND, Some("client_id"), vec![key(1).into()])
        },
    ];
    for scan in wrong {
        let answer = store.view(NOW, &mut |view| view.scan(&scan).map(drop));
        assert!(matches!(answer, Err(Fault::Broken(_))), "{answer:?}");
    }
}

/// A view shows one moment, whatever is committed meanwhile.
pub fn a_view_does_not_move(fresh: Fresh<'_>) {
    let store = fresh();
    write(&*store, vec![Write::Insert(LastUse::KIND, note(1, "1")), Write::Insert(LastUse::KIND, note(2, "1"))])
        .expect("commits");
    let all = scan(LastUse::KIND, None, Vec::new());
    let (before, after, listed) = look(&*store, NOW, |view| {
        let before = view.get(LastUse::KIND, key(1))?;
        let writes = vec![Write::Replace(LastUse::KIND, note(2, "2")), Write::Insert(LastUse::KIND, note(3, "1"))];
        write(&*store, writes).expect("a reader stops no writer");
        Ok((before, view.get(LastUse::KIND, key(2))?, view.scan(&all)?.len()))
    });
    assert_eq!((before, after, listed), (Some(note(1, "1")), Some(note(2, "1")), 2));
    assert_eq!(version(&*store, LastUse::KIND, 2), Some(2));
}

/// A batch of a thousand rows, with a thousand guards, is one batch.
pub fn big_batches_are_whole(fresh: Fresh<'_>) {
    let store = fresh();
    let rows = || (1..=1000).map(|number| Write::Insert(LastUse::KIND, note(number, "1")));
    let absent = (1..=1000).map(|number| guard(LastUse::KIND, number, None)).collect();
    assert_eq!(store.commit(batch(NOW, absent, rows().collect())), Ok(()));
    let present: Vec<Guard> = (1..=1000).map(|number| guard(LastUse::KIND, number, Some(1))).collect();
    let touched = (1..=1000).map(|number| Write::Touch(LastUse::KIND, key(number)));
    assert_eq!(store.commit(batch(NOW, present.clone(), touched.collect())), Ok(()));
    let again = vec![Write::Touch(LastUse::KIND, key(1))];
    assert_eq!(store.commit(batch(NOW, present, again)), Err(CommitError::Conflict));
    assert_eq!(version(&*store, LastUse::KIND, 1000), Some(2));
}
