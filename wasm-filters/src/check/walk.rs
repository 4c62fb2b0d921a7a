//! One pass over the bytes of a component: bounds first, then validation, section by section.
//!
//! The order matters: a section that is over a bound is not validated, so that refusing it is cheap.

use wasmparser::{
    BinaryReaderError, ComponentExternalKind, ComponentInstance, ComponentTypeRef,
    CompositeInnerType, DataSectionReader, FuncToValidate, FuncValidatorAllocations, FunctionBody,
    Instance, MemorySectionReader, Parser, Payload, TableSectionReader, TypeSectionReader,
    ValidPayload, Validator, ValidatorResources,
};

use super::names::Item;
use super::{
    ARITY_MAX, COMPONENT_DEPTH_MAX, CORE_MODULES_MAX, CheckError, DATA_BYTES_MAX,
    FUNCTION_BYTES_MAX, FUNCTIONS_MAX, GLOBALS_MAX, INSTANTIATIONS_MAX, LOCALS_MAX, NESTING_MAX,
};
use crate::engine::{self, MEMORIES_MAX, TABLES_MAX};

/// Most characters of a validator's message: it repeats names out of the component.
const MESSAGE_CHARS_MAX: usize = 300;

const PAGE_BYTES: u64 = 64 << 10;

/// What was counted so far.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) core_modules: u64,
    pub(super) functions: u64,
    pub(super) code_bytes: u64,
    pub(super) data_bytes: u64,
    pub(super) memory_bytes: u64,
    pub(super) table_elements: u64,
    pub(super) imports: Vec<Item>,
    pub(super) exports: Vec<Item>,
    memories: u64,
    tables: u64,
    globals: u64,
    instantiations: u64,
    /// Modules and components that have begun and not ended; the outermost is one.
    open: u64,
}

impl Walk {
    pub(super) fn run(&mut self, wasm: &[u8]) -> Result<(), CheckError> {
        let mut validator = Validator::new_with_features(engine::wasm_features());
        let mut allocations = FuncValidatorAllocations::default();
        let refused = |error: BinaryReaderError| refusal(wasm, &error);
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.map_err(refused)?;
            self.bound(&payload).map_err(|stop| stop.refusal(wasm))?;
            if let ValidPayload::Func(function, body) =
                validator.payload(&payload).map_err(refused)?
            {
                allocations = validate_function(function, &body, allocations)
                    .map_err(|stop| stop.refusal(wasm))?;
            }
        }
        Ok(())
    }

    fn bound(&mut self, payload: &Payload<'_>) -> Result<(), Stop> {
        match payload {
            Payload::Version { .. } => {
                self.open += 1;
                // Modules have no children, so that they count as one more level at most.
                at_most("levels of components", self.open, COMPONENT_DEPTH_MAX + 1)
            }
            Payload::End(_) => {
                self.open = self.open.saturating_sub(1);
                Ok(())
            }
            Payload::ModuleSection { .. } => {
                add("core modules", &mut self.core_modules, 1, CORE_MODULES_MAX)
            }
            Payload::TypeSection(types) => bound_types(types),
            Payload::FunctionSection(section) => {
                let count = u64::from(section.count());
                add("functions", &mut self.functions, count, FUNCTIONS_MAX)
            }
            Payload::GlobalSection(section) => {
                let count = u64::from(section.count());
                add("globals", &mut self.globals, count, GLOBALS_MAX)
            }
            Payload::TableSection(section) => self.bound_tables(section),
            Payload::MemorySection(section) => self.bound_memories(section),
            Payload::DataSection(section) => self.bound_data(section),
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                let bytes = range.end.saturating_sub(range.start) as u64;
                self.code_bytes += bytes;
                at_most("bytes of code in a function", bytes, FUNCTION_BYTES_MAX)
            }
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    if let Instance::Instantiate { .. } = instance? {
                        self.instantiation()?;
                    }
                }
                Ok(())
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    if let ComponentInstance::Instantiate { .. } = instance? {
                        self.instantiation()?;
                    }
                }
                Ok(())
            }
            Payload::ComponentImportSection(section) if self.open == 1 => {
                for import in section.clone() {
                    let import = import?;
                    let name = import.name.name.to_owned();
                    let instance = matches!(import.ty, ComponentTypeRef::Instance(_));
                    self.imports.push(Item { name, instance });
                }
                Ok(())
            }
            Payload::ComponentExportSection(section) if self.open == 1 => {
                for export in section.clone() {
                    let export = export?;
                    let name = export.name.name.to_owned();
                    let instance = export.kind == ComponentExternalKind::Instance;
                    self.exports.push(Item { name, instance });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn instantiation(&mut self) -> Result<(), Stop> {
        add(
            "instantiations",
            &mut self.instantiations,
            1,
            INSTANTIATIONS_MAX,
        )
    }

    fn bound_tables(&mut self, section: &TableSectionReader<'_>) -> Result<(), Stop> {
        let count = u64::from(section.count());
        add("tables", &mut self.tables, count, u64::from(TABLES_MAX))?;
        for table in section.clone() {
            let initial = table?.ty.initial;
            self.table_elements = self.table_elements.saturating_add(initial);
        }
        Ok(())
    }

    fn bound_memories(&mut self, section: &MemorySectionReader<'_>) -> Result<(), Stop> {
        let count = u64::from(section.count());
        add(
            "memories",
            &mut self.memories,
            count,
            u64::from(MEMORIES_MAX),
        )?;
        for memory in section.clone() {
            let bytes = memory?.initial.saturating_mul(PAGE_BYTES);
            self.memory_bytes = self.memory_bytes.saturating_add(bytes);
        }
        Ok(())
    }

    fn bound_data(&mut self, section: &DataSectionReader<'_>) -> Result<(), Stop> {
        for data in section.clone() {
            let bytes = data?.data.len() as u64;
            add("bytes of data", &mut self.data_bytes, bytes, DATA_BYTES_MAX)?;
        }
        Ok(())
    }
}

fn bound_types(section: &TypeSectionReader<'_>) -> Result<(), Stop> {
    for group in section.clone() {
        for ty in group?.into_types() {
            if let CompositeInnerType::Func(function) = &ty.composite_type.inner {
                let arity = function.params().len().max(function.results().len());
                at_most(
                    "parameters or results of a function",
                    arity as u64,
                    ARITY_MAX,
                )?;
            }
        }
    }
    Ok(())
}

/// Validates a function, and watches its locals and its nesting on the way.
fn validate_function(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    allocations: FuncValidatorAllocations,
) -> Result<FuncValidatorAllocations, Stop> {
    let mut locals = 0_u64;
    for declaration in body.get_locals_reader()? {
        let (count, _) = declaration?;
        add(
            "locals in a function",
            &mut locals,
            u64::from(count),
            LOCALS_MAX,
        )?;
    }
    let mut validator = function.into_validator(allocations);
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    reader.set_features(engine::wasm_features());
    while !reader.eof() {
        let offset = reader.original_position();
        reader.visit_operator(&mut validator.visitor(offset))??;
        let depth = u64::from(validator.control_stack_height());
        at_most("nested blocks", depth, NESTING_MAX)?;
    }
    let offset = reader.original_position();
    reader.finish_expression(&validator.visitor(offset))?;
    Ok(validator.into_allocations())
}

/// Why the walk ended early.
enum Stop {
    Bound {
        what: &'static str,
        value: u64,
        max: u64,
    },
    Invalid(BinaryReaderError),
}

impl From<BinaryReaderError> for Stop {
    fn from(error: BinaryReaderError) -> Self {
        Self::Invalid(error)
    }
}

impl Stop {
    fn refusal(self, wasm: &[u8]) -> CheckError {
        match self {
            Self::Bound { what, value, max } => CheckError::Bound { what, value, max },
            Self::Invalid(error) => refusal(wasm, &error),
        }
    }
}

fn refusal(wasm: &[u8], error: &BinaryReaderError) -> CheckError {
    let message: String = error.message().chars().take(MESSAGE_CHARS_MAX).collect();
    // There is no kind in the error, but a parser that has all bytes misses some at the end only.
    if message.contains("unexpected end") || error.offset() >= wasm.len() {
        let bytes = wasm.len();
        return CheckError::Cut { bytes, message };
    }
    CheckError::Invalid {
        offset: error.offset(),
        message,
    }
}

fn at_most(what: &'static str, value: u64, max: u64) -> Result<(), Stop> {
    if value <= max {
        return Ok(());
    }
    Err(Stop::Bound { what, value, max })
}

fn add(what: &'static str, total: &mut u64, more: u64, max: u64) -> Result<(), Stop> {
    *total = total.saturating_add(more);
    at_most(what, *total, max)
}
