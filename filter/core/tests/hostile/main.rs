//! Forty hostile inputs that a module gateway must survive, by number: where each is tested.
//!
//! `row_NN_..` is a test here: it drives [`Gateway`](goproxy_core::Gateway) as the adapter does, without a host. `host:` is a test
//! of `integration/tests/hostile` or `integration/tests/flights`, against a real Envoy; `unit:` one beside the core's code. What a
//! fuzz target tries beyond the tables is in `filter/core/fuzz/README.md`.
//!
//! | row | input | tested by |
//! |---|---|---|
//! | 1 | `%21azure` and `!azure` are one key | `row_01`; property `parsing_undoes_printing` |
//! | 2 | a raw upper-case letter | `row_02`; host: `a_path_that_go_cannot_send_is_refused_in_words` |
//! | 3 | `!!a`, `!A`, `!1`, `!` at the end | `row_03`; host: as 2 |
//! | 4 | `..`, `.`, `%2e%2e`, `..;` | `row_04`; host: as 2 |
//! | 5 | `//`, `//host` at the start | `row_05`; host: as 2 |
//! | 6 | `%2F`, `%5C`, a backslash | `row_06`; host: as 2 |
//! | 7 | NUL, CR, LF, DEL | `row_07`; host: as 2, and `bytes_that_are_no_text_in_a_path_are_400` |
//! | 8 | `%zz`, a lone `%`, `%u0041` | `row_08`; host: as 2 |
//! | 9 | overlong and invalid UTF-8 | `row_09`; host: as 7 |
//! | 10 | `%2521`, encoded twice | `row_10`; host: as 2 |
//! | 11 | `;x=1`, queries, fragments | `row_11` |
//! | 12 | no module, no version, a slash at the end | `row_12`; host: as 2 |
//! | 13 | two `/@v/` | `row_13` |
//! | 14 | modules and paths of kilobytes | `row_14`; host: as 2 |
//! | 15 | `+incompatible`, pseudo-versions, branches | `row_15` |
//! | 16 | other methods, bodies, `Expect` | `row_16`; host: `any_method_but_get_and_head_is_405`, `a_body_on_a_get_is_400_and_the_connection_stays_in_step` |
//! | 17 | HEAD of an archive that is not kept | `row_17` |
//! | 18 | ranges; a 206 nobody asked for | `row_18` |
//! | 19 | `Accept-Encoding`, an encoded answer | `row_19`; host: `what_was_not_asked_for_is_502_and_not_kept` |
//! | 20 | host names, `X-Forwarded-Host`, absolute form | `row_20`; host: `the_host_name_is_no_part_of_a_key_and_does_no_harm` |
//! | 21 | `Authorization`, `Cookie` | `row_21`. Entries apart by identity belong to private routes, which are refused until they are built |
//! | 22 | the upstream's `Set-Cookie`, `X-Accel-*` | `row_22`; host: `an_upstream_header_that_could_split_the_answer_is_refused_or_gone` |
//! | 23 | a login page with status 200 | `row_23`; host: as 19. The event belongs to the part on events |
//! | 24 | an answer that breaks off | `row_24`; host: `an_archive_that_ends_early_is_a_short_read_and_not_kept`, `an_answer_that_is_no_http_is_502` |
//! | 25 | endless and slow answers | `row_25`; host: `an_upstream_that_accepts_and_says_nothing_is_given_up` |
//! | 26 | answers that are too large | `row_26`; host: `a_list_of_a_million_lines_is_502_and_one_of_half_a_million_is_served` |
//! | 27 | lists with CRLF, junk, a million lines | `row_27`; unit: `a_million_lines_are_sorted`; host: `a_list_is_cleaned_before_go_sees_it` |
//! | 28 | `.info` of another version, deep or large | `row_28`; unit: `deep_and_large_documents_are_skipped` |
//! | 29 | an outage after an answer got old | `row_29`. Stale answers within their bound belong to the part on freshness |
//! | 30 | 404 now, published in a moment; 410 and 403 | `row_30`; unit: `what_a_client_gets_of_an_upstreams_failure` |
//! | 31 | redirects inside, to strangers, in circles | `row_31`; host: `metadata_that_redirects_in_a_circle_or_to_a_stranger_is_502`, `an_archive_that_redirects_takes_the_client_there_and_never_in_a_circle` |
//! | 32 | strange databases, records and tiles | `row_32`; unit: `what_is_no_record_of_that_version_is_refused`, `no_checksum_hides_outside_the_record` |
//! | 33 | a toolchain's archive | `row_33` |
//! | 34 | Redis in trouble, entries that are none | stored forms: `row_34`, fuzz `entry`. The wire formats belong to the part on Redis |
//! | 35 | keys that break out of a Redis facade's URL | belongs to the part on Redis: no key leaves the VM yet |
//! | 36 | callouts that fail, late, double, by the hundreds | `row_36`, fuzz `gateway`; host: `integration/tests/flights/storm.rs` and `trouble.rs` |
//! | 37 | a thousand misses of one key | `row_37`; host: `a_thousand_clients_of_a_cold_object_cost_one_request`. One call for all workers belongs to the part on shared slots |
//! | 38 | configurations: no JSON, unknown fields, none of what is needed, costly patterns, in the middle of a request | `row_38`; unit: `config/tests.rs`; host: `integration/tests/flights/reconfigure.rs` |
//! | 39 | senseless lifetimes, a clock that goes backwards | `row_39` |
//! | 40 | text that breaks logs and terminals | `row_40`; host: `what_an_upstream_says_is_made_fit_to_be_shown`. Events and their redaction belong to the part on events |
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails, which is what it is for"
)]

mod answers;
mod requests;
mod rig;
