//! A processor in Rust: lets the events of a share of the customers pass, always the same ones, and counts what it saw.
//!
//! The verdict depends on the customer alone, so it is the same whenever an event comes again. What the processor remembers
//! is for its report at the end.

#[macro_use]
mod churn;

use churn::{Error, Event, Host, OptionRow, Plugin, ProcessorOps};
use std::collections::HashMap;
use std::ffi::c_void;

/// What the engine allocates, zeroes and fills with the options. Everything else lives behind the pointer, from `create`
/// to `destroy`.
#[repr(C)]
struct Instance {
    percent: i64,
    state: *mut State,
}

struct State {
    percent: u64,
    host: *const Host,
    seen: HashMap<Vec<u8>, u64>, // customer: events
    passed: u64,
}

/// FNV-1a, folded to 0 … 99: alike on every machine and in every version.
fn bucket(customer: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf29ce484222325;
    for byte in customer {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100000001b3);
    }
    (hash ^ (hash >> 32)) % 100
}

impl State {
    fn judge(&mut self, event: &Event) -> i32 {
        let customer = event.customer_id.bytes();
        match self.seen.get_mut(customer) {
            Some(events) => *events += 1,
            None => drop(self.seen.insert(customer.to_vec(), 1)),
        }
        if bucket(customer) >= self.percent {
            return churn::DROP;
        }
        self.passed += 1;
        churn::OK
    }

    fn report(&self) -> String {
        let kept = self.seen.keys().filter(|customer| bucket(customer) < self.percent).count();
        let events: u64 = self.seen.values().sum();
        format!("{} of {} customers and {} of {} events passed", kept, self.seen.len(), self.passed, events)
    }
}

fn state_of(instance: *mut c_void) -> &'static mut State {
    unsafe { &mut *(*(instance as *mut Instance)).state } // calls on one instance never overlap
}

extern "C" fn create(instance: *mut c_void, host: *const Host, err: *mut Error) -> i32 {
    churn::guarded(err, || {
        let instance = unsafe { &mut *(instance as *mut Instance) };
        instance.state = Box::into_raw(Box::new(State {
            percent: u64::try_from(instance.percent).expect("a checked option"),
            host,
            seen: HashMap::new(),
            passed: 0,
        }));
        churn::OK
    })
}

extern "C" fn process(instance: *mut c_void, event: *const Event, err: *mut Error) -> i32 {
    churn::guarded(err, || state_of(instance).judge(unsafe { &*event }))
}

extern "C" fn stop(instance: *mut c_void) {
    churn::guarded(std::ptr::null_mut(), || {
        let state = state_of(instance);
        unsafe { &*state.host }.log(churn::LOG_INFO, &state.report());
        churn::OK
    });
}

extern "C" fn destroy(instance: *mut c_void) {
    churn::guarded(std::ptr::null_mut(), || {
        drop(unsafe { Box::from_raw((*(instance as *mut Instance)).state) });
        churn::OK
    });
}

static OPTIONS: [OptionRow; 1] = [OptionRow {
    name: c!("percent"),
    default_text: c!("10"),
    help: c!("Share of the customers whose events pass."),
    choices: std::ptr::null(),
    min: 0,
    max: 100,
    kind: churn::OPTION_INT,
    flags: 0,
    offset: 0, // of `percent`, the first member
    reserved: 0,
}];

static OPS: ProcessorOps = ProcessorOps {
    create: Some(create),
    process: Some(process),
    stop: Some(stop),
    destroy: Some(destroy),
    ..ProcessorOps::NONE
};

#[no_mangle]
#[allow(non_upper_case_globals)]
pub static churn_plugin_entry: Plugin = Plugin::processor::<Instance>(
    c!("sample_customers"),
    c!("1.0.0"),
    c!("Lets the events of a share of the customers pass"),
    &OPTIONS,
    &OPS,
);
