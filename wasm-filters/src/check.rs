//! What can be said about a component without compiling or running it.
//!
//! [`check`] reads the bytes once and validates them whole. It refuses what is no component, what
//! imports anything that a node does not have, what does not export the hooks of its manifest, and
//! what would take a compiler unreasonably long. It does not compare the types of functions:
//! loading does.
//!
//! Two megabytes take about 10 ms, the largest component about half a second: on a server, call it
//! where blocking is allowed.

mod names;
mod walk;

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::manifest::Manifest;

/// Most bytes of a component. One from Rust has 50 to 300 KB, from JavaScript 2 MB, from Python
/// 18 MB.
pub const COMPONENT_BYTES_MAX: usize = 32 << 20;

/// Most functions, over all core modules. Python has 20,000; half a million empty ones take a
/// compiler 37 s and 2.75 GB.
pub const FUNCTIONS_MAX: u64 = 100_000;

/// Most bytes of one function's code. The time of register allocation grows faster than the
/// function; the largest of real interpreters has 200 KB.
pub const FUNCTION_BYTES_MAX: u64 = 1 << 20;

/// Most locals of one function. Each costs memory in every block.
pub const LOCALS_MAX: u64 = 10_000;

/// Deepest nesting of blocks. A `switch` nests as deep as it has cases, of which interpreters have
/// some hundred; 20,000 nested blocks take 2 s.
pub const NESTING_MAX: u64 = 4000;

/// Most parameters or results of a function or block type. Validating and compiling a block of
/// three bytes costs as much as its type is wide.
pub const ARITY_MAX: u64 = 128;

/// Most core modules. Python's are linked from about 20 libraries.
pub const CORE_MODULES_MAX: u64 = 64;

/// Most instantiations of core modules and of components that are written down.
pub const INSTANTIATIONS_MAX: u64 = 128;

/// Deepest nesting of components. Every level may instantiate the one below it many times, so that
/// depth is an exponent. Tools that compose components make two levels.
pub const COMPONENT_DEPTH_MAX: u64 = 4;

/// Most globals, over all core modules. All lie in an instance's state, which has its own bound.
pub const GLOBALS_MAX: u64 = 20_000;

/// Most bytes of initial data, over all core modules.
pub const DATA_BYTES_MAX: u64 = 24 << 20;

/// What was found in a component that is good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Its size.
    pub bytes: u64,
    /// Core modules in it.
    pub core_modules: u64,
    /// Functions in those.
    pub functions: u64,
    /// Code of those, in bytes.
    pub code_bytes: u64,
    /// Initial data, in bytes.
    pub data_bytes: u64,
    /// Linear memory at the start, in bytes.
    pub memory_bytes: u64,
    /// Table elements at the start.
    pub table_elements: u64,
    /// What it imports, by full name.
    pub imports: Vec<String>,
    /// What it exports, by full name.
    pub exports: Vec<String>,
}

/// Why a component is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// More bytes than any filter may have.
    #[error("the component has {bytes} bytes; at most {COMPONENT_BYTES_MAX} are taken")]
    Bytes {
        /// Its size.
        bytes: usize,
    },
    /// An ELF file: native code, such as a `.cwasm`.
    #[error(
        "this is native code (an ELF file, as a .cwasm is); upload the .wasm it was made from, nodes compile it themselves"
    )]
    Native,
    /// A core module.
    #[error(
        "this is a core module, not a component; build it with --target wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// No WebAssembly.
    #[error("this is not WebAssembly: it begins with {0}")]
    Foreign(String),
    /// The bytes end too early.
    #[error("the component is cut off after {bytes} bytes: {message}")]
    Cut {
        /// Bytes that are there.
        bytes: usize,
        /// What was expected.
        message: String,
    },
    /// Not valid, or it uses a proposal that nodes do not support.
    #[error("the component is not valid at byte {offset}: {message}")]
    Invalid {
        /// Where.
        offset: usize,
        /// What the validator says.
        message: String,
    },
    /// Something that makes compiling or instantiating unreasonably dear.
    #[error("{what}: {value}; at most {max} are taken")]
    Bound {
        /// Of what there is too much.
        what: &'static str,
        /// How much there is.
        value: u64,
        /// How much there may be.
        max: u64,
    },
    /// More at the start than the manifest's limits give it.
    #[error("{what} at the start: {value}; its manifest's {field} is {max}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How much there is.
        value: u64,
        /// As in the manifest.
        field: &'static str,
        /// What the manifest says.
        max: u64,
    },
    /// Imports that a node does not have.
    #[error("it imports what a filter is not given: {}", .0.join("; "))]
    Imports(Vec<String>),
    /// Exports that the manifest's hooks need.
    #[error("it does not export what its manifest's hooks need: {}", .0.join("; "))]
    Exports(Vec<String>),
}

/// Checks the bytes of a component against a manifest that has been validated.
///
/// # Errors
///
/// The first reason to refuse it, in the order of the file; imports and exports come last.
pub fn check(wasm: &[u8], manifest: &Manifest) -> Result<CheckReport, CheckError> {
    if wasm.len() > COMPONENT_BYTES_MAX {
        return Err(CheckError::Bytes { bytes: wasm.len() });
    }
    recognise(wasm)?;
    let mut walk = walk::Walk::default();
    walk.run(wasm)?;
    let limits = &manifest.limits;
    let fits = |what, field, value, max| {
        if value <= max {
            return Ok(());
        }
        Err(CheckError::Limit {
            what,
            value,
            field,
            max,
        })
    };
    fits(
        "bytes of memory",
        "limits.memory_bytes",
        walk.memory_bytes,
        limits.memory_bytes,
    )?;
    let elements = u64::from(limits.table_elements);
    fits(
        "table elements",
        "limits.table_elements",
        walk.table_elements,
        elements,
    )?;
    names::check_imports(&walk.imports)?;
    names::check_exports(&walk.exports, &manifest.interfaces())?;
    Ok(CheckReport {
        bytes: wasm.len() as u64,
        core_modules: walk.core_modules,
        functions: walk.functions,
        code_bytes: walk.code_bytes,
        data_bytes: walk.data_bytes,
        memory_bytes: walk.memory_bytes,
        table_elements: walk.table_elements,
        imports: walk.imports.into_iter().map(|import| import.name).collect(),
        exports: walk.exports.into_iter().map(|export| export.name).collect(),
    })
}

/// Tells what the bytes are by how they begin, where that is no component.
fn recognise(wasm: &[u8]) -> Result<(), CheckError> {
    // Component model, binary format: the preamble has a version of 16 bits and a layer of 16.
    const COMPONENT_LAYER: [u8; 2] = [1, 0];
    match wasm {
        [0x7f, b'E', b'L', b'F', ..] => Err(CheckError::Native),
        [0, b'a', b's', b'm', _, _, layer @ ..] => match layer {
            [a, b, ..] if [*a, *b] == COMPONENT_LAYER => Ok(()),
            [0, 0, ..] => Err(CheckError::CoreModule),
            [_, _, ..] => Err(CheckError::Foreign("a layer that is not known".to_owned())),
            _ => Err(cut(wasm)),
        },
        [0, b'a', b's', b'm', ..] => Err(cut(wasm)),
        [] => Err(CheckError::Foreign("nothing: it is empty".to_owned())),
        [0x1f, 0x8b, ..] => Err(CheckError::Foreign("gzip; unpack it first".to_owned())),
        _ => {
            let first: Vec<String> = wasm.iter().take(4).map(|b| format!("{b:02x}")).collect();
            Err(CheckError::Foreign(first.join(" ")))
        }
    }
}

fn cut(wasm: &[u8]) -> CheckError {
    CheckError::Cut {
        bytes: wasm.len(),
        message: "the first 8 bytes are not all there".to_owned(),
    }
}
