use super::*;

#[test]
fn counts_are_told_once() {
    const HITS: &str = "cache_operations_total.tier.memory.result.hit";
    const MISSES: &str = "cache_operations_total.tier.memory.result.miss";
    let mut rig = Rig::new(ONE);
    let of = |counts: &[(String, u64)], key: &str| {
        let mut counts = counts.iter().filter(|(known, _)| known == key);
        let count = counts.next().map(|(_, by)| *by);
        assert_eq!(counts.next(), None, "{key} twice");
        count
    };
    rig.fetch(LIST, 200, "v1.0.0\n");
    rig.reply(LIST);
    let counts = rig.gateway.take_counts();
    assert_eq!((of(&counts, HITS), of(&counts, MISSES)), (Some(1), Some(1)));
    let untouched = of(&counts, "overloads_total");
    assert_eq!(untouched, Some(0), "so that the host knows it");
    assert_eq!(rig.gateway.take_counts(), []);
    rig.reply(LIST);
    rig.reply(LIST);
    let counts = rig.gateway.take_counts();
    assert_eq!((of(&counts, HITS), of(&counts, MISSES)), (Some(2), None));
}

#[test]
fn two_gateways_of_one_namespace_tell_a_count_once() {
    let store = Rc::default();
    let (mut one, mut other) = (Rig::in_store(ONE, &store), Rig::in_store(ONE, &store));
    one.fetch(LIST, 200, "v1.0.0\n");
    other.reply(LIST);
    assert!(!one.gateway.take_counts().is_empty());
    assert_eq!(other.gateway.take_counts(), []);
}
