//! Any JSON as the input of any admin command: done, or refused with a sentence.
#![no_main]
use jeton_core::admin::{AdminStop, commands};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((choice, json)) = data.split_first() else { return };
    let Ok(given) = serde_json::from_slice::<serde_json::Value>(json) else { return };
    let commands: Vec<_> = commands().collect();
    let command = commands[usize::from(*choice) % commands.len()];
    match jeton_fuzz::house().administer(command.name, jeton_fuzz::object(given)) {
        Ok(answer) => assert!(!answer.to_string().contains(jeton_fuzz::SECRET)),
        Err(AdminStop::Fault(fault)) => panic!("{}: {fault}", command.name),
        Err(stop) => assert!(!stop.to_string().is_empty()),
    }
});
