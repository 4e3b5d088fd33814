//! The part of the plugin ABI that a processor needs, by hand, from <churn/...> of ABI 1.1: the same members in the same
//! order. Structs grow at their end only, so it stays right for later minor versions.
#![allow(dead_code)]

use std::ffi::c_void;
use std::mem::size_of;
use std::os::raw::c_char;
use std::panic::{catch_unwind, AssertUnwindSafe};

pub const OK: i32 = 0;
pub const DROP: i32 = 3;
pub const REJECT: i32 = -2;
pub const FATAL: i32 = -3;

pub const LOG_WARN: i32 = 2;
pub const LOG_INFO: i32 = 3;

pub const KIND_PROCESSOR: u32 = 3;

pub const OPTION_INT: u32 = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Str {
    pub ptr: *const c_char,
    pub len: u32,
    pub reserved: u32,
}

impl Str {
    /// The bytes, for as long as the call lasts that they came with.
    pub fn bytes(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        unsafe { std::slice::from_raw_parts(self.ptr as *const u8, self.len as usize) }
    }
}

#[repr(C)]
pub struct Error {
    pub size: u32,
    pub code: i32,
    pub option: [c_char; 64],
    pub message: [c_char; 512],
}

/// Puts a message for people beside the code, and returns the code.
pub fn fail(err: *mut Error, code: i32, message: &str) -> i32 {
    if let Some(err) = unsafe { err.as_mut() } {
        let room = err.message.len() - 1;
        let len = message.len().min(room);
        for (to, from) in err.message.iter_mut().zip(&message.as_bytes()[..len]) {
            *to = *from as c_char;
        }
        err.message[len] = 0;
        err.option[0] = 0;
        err.code = code;
    }
    code
}

#[repr(C)]
pub struct Host {
    pub size: u32,
    pub worker: u32,
    pub worker_count: u32,
    pub until_end: u32,
    pub ctx: *mut c_void,
    pub pipeline: *const c_char,
    pub log: extern "C" fn(*const Host, i32, *const c_char),
    pub log_enabled: extern "C" fn(*const Host, i32) -> i32,
    pub now_ms: extern "C" fn(*const Host) -> i64,
    pub monotonic_ms: extern "C" fn(*const Host) -> i64,
    pub get_extension: extern "C" fn(*const Host, *const c_char) -> *const c_void,
}

impl Host {
    pub fn log(&self, level: i32, message: &str) {
        if let Ok(line) = std::ffi::CString::new(message) {
            (self.log)(self, level, line.as_ptr());
        }
    }
}

/// One row of an option table.
#[repr(C)]
pub struct OptionRow {
    pub name: *const c_char,
    pub default_text: *const c_char,
    pub help: *const c_char,
    pub choices: *const *const c_char,
    pub min: i64,
    pub max: i64,
    pub kind: u32,
    pub flags: u32,
    pub offset: u32,
    pub reserved: u32,
}

#[repr(C)]
pub struct Event {
    pub size: u32,
    pub partition: i32,
    pub topic: Str,
    pub offset: i64,
    pub event_id: Str,
    pub event_type: Str,
    pub customer_id: Str,
    pub timestamp_ms: i64,
    pub fields: *const c_void,
    pub values: *const c_void,
    pub value_count: u32,
    pub field_stride: u32,
    pub data: Str,
    pub payload: Str,
}

#[repr(C)]
pub struct ProcessorOps {
    pub size: u32,
    pub reserved: u32,
    pub create: Option<extern "C" fn(*mut c_void, *const Host, *mut Error) -> i32>,
    pub start: Option<extern "C" fn(*mut c_void, *mut Error) -> i32>,
    pub process: Option<extern "C" fn(*mut c_void, *const Event, *mut Error) -> i32>,
    pub stop: Option<extern "C" fn(*mut c_void)>,
    pub destroy: Option<extern "C" fn(*mut c_void)>,
    pub announce: Option<extern "C" fn(*mut c_void, *const Event)>,
}

#[repr(C)]
pub struct Plugin {
    pub magic: u32,
    pub size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub kind: u32,
    pub name: *const c_char,
    pub version: *const c_char,
    pub summary: *const c_char,
    pub options: *const OptionRow,
    pub option_count: u32,
    pub option_stride: u32,
    pub instance_size: u32,
    pub reserved: u32,
    pub ops: *const c_void,
}

// Constant tables, which any thread may read.
unsafe impl Sync for OptionRow {}
unsafe impl Sync for ProcessorOps {}
unsafe impl Sync for Plugin {}

// What the C compiler makes of the same structs on 64-bit machines.
const _: () = assert!(size_of::<Str>() == 16);
const _: () = assert!(size_of::<Error>() == 584);
const _: () = assert!(size_of::<Host>() == 72);
const _: () = assert!(size_of::<OptionRow>() == 64);
const _: () = assert!(size_of::<Event>() == 144);
const _: () = assert!(size_of::<ProcessorOps>() == 56);
const _: () = assert!(size_of::<Plugin>() == 72);

impl ProcessorOps {
    /// No call at all; `create`, `process` and `destroy` must be set.
    pub const NONE: ProcessorOps = ProcessorOps {
        size: size_of::<ProcessorOps>() as u32,
        reserved: 0,
        create: None,
        start: None,
        process: None,
        stop: None,
        destroy: None,
        announce: None,
    };
}

impl Plugin {
    /// The entry of a processor whose instance is a `T`.
    pub const fn processor<T>(
        name: *const c_char,
        version: *const c_char,
        summary: *const c_char,
        options: &'static [OptionRow],
        ops: &'static ProcessorOps,
    ) -> Plugin {
        Plugin {
            magic: 0x4e525543,
            size: size_of::<Plugin>() as u32,
            abi_major: 1,
            abi_minor: 1,
            kind: KIND_PROCESSOR,
            name,
            version,
            summary,
            options: options.as_ptr(),
            option_count: options.len() as u32,
            option_stride: size_of::<OptionRow>() as u32,
            instance_size: size_of::<T>() as u32,
            reserved: 0,
            ops: ops as *const ProcessorOps as *const c_void,
        }
    }
}

/// A C string that lives for ever.
#[macro_export]
macro_rules! c {
    ($text:expr) => {
        concat!($text, "\0").as_ptr() as *const std::os::raw::c_char
    };
}

/// Runs `work`. No panic may cross into the engine, which is C: it becomes an error of the call.
pub fn guarded(err: *mut Error, work: impl FnOnce() -> i32) -> i32 {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        fail(err, FATAL, &format!("panic: {}", text.unwrap_or("of an unknown type")))
    })
}
