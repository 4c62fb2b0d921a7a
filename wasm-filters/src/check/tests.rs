//! Tests of the check, on components that are built here byte by byte.

use proptest::prelude::*;
use wasm_encoder::{
    BlockType, CodeSection, Component, ComponentExportKind, ComponentExportSection,
    ComponentImportSection, ComponentTypeRef, ComponentTypeSection, DataSection, Function,
    FunctionSection, Instruction, MemorySection, MemoryType, Module, ModuleSection, RefType,
    TableSection, TableType, TypeSection, ValType,
};

use super::*;
use crate::manifest::Hook;

fn manifest() -> Manifest {
    Manifest::new("a".parse().expect("a name"), "1", vec![Hook::Chat])
}

/// A component with these modules, imports and exports; all imports and exports are empty
/// instances, which is all that the check looks at.
fn component(modules: &[Module], imports: &[&str], exports: &[&str]) -> Vec<u8> {
    let mut component = Component::new();
    for module in modules {
        component.section(&ModuleSection(module));
    }
    let mut types = ComponentTypeSection::new();
    types.instance(&wasm_encoder::InstanceType::new());
    component.section(&types);
    // An export needs an instance, and the only ones here are imported.
    let mut section = ComponentImportSection::new();
    section.import("weir:filter/types@1.0.0", ComponentTypeRef::Instance(0));
    for import in imports {
        section.import(*import, ComponentTypeRef::Instance(0));
    }
    component.section(&section);
    let mut section = ComponentExportSection::new();
    for export in exports {
        section.export(*export, ComponentExportKind::Instance, 0, None);
    }
    component.section(&section);
    component.finish()
}

const EXPORTS: [&str; 2] = ["weir:filter/lifecycle@1.1.0", "weir:filter/chat@1.1.0"];

/// One module with a function of these locals and instructions.
fn module(locals: &[(u32, ValType)], instructions: &[Instruction<'_>]) -> Module {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module.section(&types);
    let mut functions = FunctionSection::new();
    functions.function(0);
    module.section(&functions);
    let mut function = Function::new(locals.iter().copied());
    for instruction in instructions {
        function.instruction(instruction);
    }
    let mut code = CodeSection::new();
    code.function(&function);
    module.section(&code);
    module
}

fn refusal_of(wasm: &[u8]) -> String {
    let refused = check(wasm, &manifest());
    refused.expect_err("must be refused").to_string()
}

/// What a component with this one module is refused with.
fn refusal_of_module(module: &Module) -> String {
    refusal_of(&component(std::slice::from_ref(module), &[], &EXPORTS))
}

#[test]
fn a_good_component_is_described() {
    let wasm = component(
        &[module(&[(3, ValType::I32)], &[Instruction::End])],
        &["weir:filter/kv@1.0.0", "wasi:io/streams@0.2.6"],
        &EXPORTS,
    );
    let report = check(&wasm, &manifest()).expect("good");
    assert_eq!(report.bytes, wasm.len() as u64);
    assert_eq!((report.core_modules, report.functions), (1, 1));
    assert_eq!(
        report.imports,
        [
            "weir:filter/types@1.0.0",
            "weir:filter/kv@1.0.0",
            "wasi:io/streams@0.2.6"
        ]
    );
    assert_eq!(report.exports, EXPORTS);
}

#[test]
fn other_files_are_told_by_how_they_begin() {
    for (bytes, expected) in [
        (&b"\x7fELF\x02\x01\x01"[..], "native code"),
        (b"\0asm\x01\0\0\0", "core module"),
        (b"\0asm\x0d\0\x07\0", "a layer that is not known"),
        (b"\0asm\x0d\0", "cut off after 6 bytes"),
        (b"", "it is empty"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"(component)", "begins with 28 63 6f 6d"),
    ] {
        let refusal = refusal_of(bytes);
        assert!(
            refusal.contains(expected),
            "{refusal:?} does not say {expected:?}"
        );
    }
    let huge = vec![0; COMPONENT_BYTES_MAX + 1];
    assert!(refusal_of(&huge).contains("33554433 bytes; at most 33554432"));
}

#[test]
fn every_unknown_import_is_named() {
    let wasm = component(
        &[],
        &[
            "weir:filter/log@1.1.0",
            "weir:filter/ledger@1.1.0",
            "weir:filter/kv@1.2.0",
            "weir:filter/clock@2.0.0",
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:cli/environment@0.3.0",
            "acme:plugin/api",
        ],
        &EXPORTS,
    );
    let refusal = refusal_of(&wasm);
    for expected in [
        "weir:filter/ledger@1.1.0 (the contract has no such import)",
        "weir:filter/kv@1.2.0 (newer than this node, which has 1.1.0)",
        "weir:filter/clock@2.0.0 (another major version",
        "wasi:http/outgoing-handler@0.2.0 (not among",
        "wasi:cli/environment@0.3.0 (a filter is given WASI 0.2)",
        "acme:plugin/api (unknown)",
    ] {
        assert!(
            refusal.contains(expected),
            "{refusal:?} does not say {expected:?}"
        );
    }
    assert!(!refusal.contains("weir:filter/log"), "{refusal}");
}

#[test]
fn exports_must_cover_the_hooks() {
    let refusal = refusal_of(&component(&[], &[], &["weir:filter/auth@1.1.0"]));
    assert!(
        refusal.contains("weir:filter/lifecycle@1.1.0; weir:filter/chat@1.1.0"),
        "{refusal}"
    );
    let old = ["weir:filter/lifecycle@1.0.0", "weir:filter/chat@1.0.0"];
    assert!(check(&component(&[], &[], &old), &manifest()).is_ok());
    let future = ["weir:filter/lifecycle@1.1.0", "weir:filter/chat@1.9.0"];
    let refusal = refusal_of(&component(&[], &[], &future));
    assert!(
        refusal.contains("chat@1.9.0 (newer than this node"),
        "{refusal}"
    );
}

#[test]
fn deep_nesting_is_refused() {
    let nested = |depth: usize| {
        let mut instructions = vec![Instruction::Block(BlockType::Empty); depth];
        instructions.extend(vec![Instruction::End; depth + 1]);
        module(&[], &instructions)
    };
    let good = component(&[nested(1000)], &[], &EXPORTS);
    assert!(check(&good, &manifest()).is_ok());
    assert_eq!(
        refusal_of_module(&nested(20_000)),
        "nested blocks: 4001; at most 4000 are taken"
    );
}

#[test]
fn many_locals_are_refused() {
    let refusal = refusal_of_module(&module(&[(9000, ValType::I32), (9000, ValType::I64)], &[]));
    assert_eq!(
        refusal,
        "locals in a function: 18000; at most 10000 are taken"
    );
}

#[test]
fn half_a_million_functions_are_refused() {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module.section(&types);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for _ in 0..500_000 {
        functions.function(0);
        let mut empty = Function::new([]);
        empty.instruction(&Instruction::End);
        code.function(&empty);
    }
    module.section(&functions);
    module.section(&code);
    assert_eq!(
        refusal_of_module(&module),
        "functions: 500000; at most 100000 are taken"
    );
}

#[test]
fn a_huge_function_is_refused() {
    let instructions = vec![Instruction::Nop; (1 << 20) + 1];
    let refusal = refusal_of_module(&module(&[], &instructions));
    assert!(
        refusal.starts_with("bytes of code in a function: 10485"),
        "{refusal}"
    );
}

#[test]
fn wide_types_are_refused() {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], vec![ValType::I32; 1000]);
    module.section(&types);
    let refusal = refusal_of_module(&module);
    assert_eq!(
        refusal,
        "parameters or results of a function: 1000; at most 128 are taken"
    );
}

#[test]
fn memory_and_tables_at_the_start_keep_to_the_manifest() {
    let mut module = Module::new();
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 257,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
    assert_eq!(
        refusal_of_module(&module),
        "bytes of memory at the start: 16842752; its manifest's limits.memory_bytes is 16777216"
    );

    let mut module = Module::new();
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 10_001,
        maximum: None,
        shared: false,
    });
    module.section(&tables);
    assert_eq!(
        refusal_of_module(&module),
        "table elements at the start: 10001; its manifest's limits.table_elements is 10000"
    );
}

#[test]
fn much_data_and_many_modules_are_refused() {
    let mut with_data = Module::new();
    let mut data = DataSection::new();
    data.passive(vec![0; (24 << 20) + 1]);
    with_data.section(&data);
    let refusal = refusal_of_module(&with_data);
    assert_eq!(
        refusal,
        "bytes of data: 25165825; at most 25165824 are taken"
    );

    let refusal = refusal_of(&component(&vec![Module::new(); 65], &[], &EXPORTS));
    assert_eq!(refusal, "core modules: 65; at most 64 are taken");
}

#[test]
fn deeply_nested_components_are_refused() {
    let mut inner = Component::new();
    for _ in 0..5 {
        let mut outer = Component::new();
        outer.section(&wasm_encoder::NestedComponentSection(&inner));
        inner = outer;
    }
    let refusal = refusal_of(&inner.finish());
    assert!(refusal.starts_with("levels of components: 6"), "{refusal}");
}

#[test]
fn proposals_that_nodes_do_not_have_are_refused() {
    let mut module = Module::new();
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: Some(1),
        memory64: false,
        shared: true,
        page_size_log2: None,
    });
    module.section(&memories);
    let refusal = refusal_of_module(&module);
    assert!(
        refusal.contains("not valid at byte") && refusal.contains("threads"),
        "{refusal}"
    );
}

#[test]
fn a_component_that_is_cut_anywhere_is_refused() {
    let body = [
        Instruction::I32Const(7),
        Instruction::Drop,
        Instruction::End,
    ];
    let wasm = component(&[module(&[(3, ValType::I32)], &body)], &[], &EXPORTS);
    assert!(check(&wasm, &manifest()).is_ok());
    let mut cut = 0;
    for length in 0..wasm.len() {
        match check(&wasm[..length], &manifest()) {
            Ok(_) => panic!("accepted {length} of {} bytes", wasm.len()),
            Err(CheckError::Cut { bytes, .. }) => {
                assert_eq!(bytes, length);
                cut += 1;
            }
            // Between two sections: a shorter component, which lacks exports.
            Err(CheckError::Exports(_)) | Err(CheckError::Foreign(_)) => {}
            Err(other) => panic!("{length} bytes: {other}"),
        }
    }
    assert!(
        cut + 12 > wasm.len(),
        "{cut} of {} prefixes are called cut",
        wasm.len()
    );
}

proptest! {
    /// Whatever the bytes, there is an answer, and a good one only when all of it is valid.
    #[test]
    fn altered_bytes_never_panic(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        depth in 1..50_usize,
    ) {
        let mut body = vec![Instruction::Block(BlockType::Empty); depth];
        body.extend(vec![Instruction::End; depth + 1]);
        let mut wasm = component(&[module(&[(2, ValType::I64)], &body)], &[], &EXPORTS);
        let at = at.index(wasm.len());
        wasm[at] = byte;
        if check(&wasm, &manifest()).is_ok() {
            let mut validator = wasmparser::Validator::new_with_features(crate::engine::wasm_features());
            prop_assert!(validator.validate_all(&wasm).is_ok());
        }
    }
}
