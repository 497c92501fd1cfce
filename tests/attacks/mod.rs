//! Attacks on a running server, one file for each: what one stranger, or one person, must not be able to take from the
//! others. Each file says what the attacker has, what they do, and what must still hold.

pub mod browser;

mod forwarded_by_a_stranger;
mod introspection_flood;
mod one_form_many_answers;
mod one_person_against_the_others;
mod post_of_another_site;
mod program_keeps_its_access;
mod registration_flood;
mod search_timing;
mod session_on_another_port;
mod sign_in_flood;
mod silent_sockets;
