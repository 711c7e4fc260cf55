//! Plimsoll validator that reads an OCI runtime spec the way runc does and refuses
//! what runc would refuse, what the OCI runtime-spec forbids, and what its settings
//! forbid.
//!
//! `judge` is the whole of it: a request document in, a verdict document out, no
//! other input and no state between calls. `abi` wraps it in the exports of
//! Plimsoll's ABI v1. A call takes these steps, one module each:
//!
//! * `request`: the request is parsed (`parse`) into a tree that borrows from it (`json`);
//! * `shape`: the spec is compared with what Go's decoder and the OCI schema make
//!   of it (`oci` holds the schema), keys that only look alike (`fold`) included;
//! * `checks`: rules between fields, from the OCI runtime-spec and runc;
//! * `privileges`: the traits that the settings forbid;
//! * `report`: everything found, in order, bounded.
//!
//! Checks look at fields through accessors that give nothing for a field of the
//! wrong type: the shape pass has reported it already, so no check needs to.

pub mod checks;
pub mod fold;
pub mod json;
pub mod linuxpath;
pub mod oci;
pub mod parse;
pub mod path;
pub mod privileges;
pub mod report;
pub mod request;
pub mod settings;
pub mod shape;
pub mod text;

#[cfg(target_arch = "wasm32")]
mod abi;
#[cfg(target_arch = "wasm32")]
mod arena;

pub use request::judge;
pub use settings::judge_settings;
