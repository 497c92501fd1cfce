//! Attacks on a running server, one file for each: what one stranger, or one person, must not be able to take from the
//! others. Each file says what the attacker has, what they do, and what must still hold.

mod one_person_against_the_others;
