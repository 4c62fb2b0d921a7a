//! The compiler in its child process, and the machine code that is kept.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use wasm_encoder::{
    BlockType, CodeSection, Component, Function, FunctionSection, Instruction, Module,
    ModuleSection, TypeSection, ValType,
};
use wasm_filters::compile::{CompileError, CompileOptions, Compiler};
use wasm_filters::engine::{EngineOptions, FilterEngine};

use crate::support::COMPILER;

fn engine() -> &'static FilterEngine {
    static ENGINE: OnceLock<FilterEngine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let options = EngineOptions {
            instances_max: 10,
            ..EngineOptions::default()
        };
        FilterEngine::new(&options).expect("an engine")
    })
}

fn options() -> CompileOptions {
    CompileOptions {
        program: COMPILER.into(),
        ..CompileOptions::default()
    }
}

fn compiler(options: CompileOptions) -> Compiler {
    Compiler::new(engine(), options).expect("a compiler")
}

/// A component with one module of functions that have so many locals, blocks and additions.
fn component(functions: u32, locals: u32, blocks: usize) -> Bytes {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module.section(&types);
    let (mut declared, mut code) = (FunctionSection::new(), CodeSection::new());
    for _ in 0..functions {
        declared.function(0);
        let mut function = Function::new([(locals, ValType::I64)]);
        for block in 0..blocks {
            function.instruction(&Instruction::Block(BlockType::Empty));
            let local = u32::try_from(block).expect("few blocks") % locals.max(1);
            function.instruction(&Instruction::LocalGet(local));
            function.instruction(&Instruction::I64Const(1));
            function.instruction(&Instruction::I64Add);
            function.instruction(&Instruction::LocalSet(local));
            function.instruction(&Instruction::LocalGet(local));
            function.instruction(&Instruction::I64Eqz);
            function.instruction(&Instruction::BrIf(0));
        }
        for _ in 0..=blocks {
            function.instruction(&Instruction::End);
        }
        code.function(&function);
    }
    module.section(&declared);
    module.section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    component.finish().into()
}

#[tokio::test]
async fn what_was_compiled_once_is_not_compiled_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let kept = || CompileOptions {
        cache_dir: Some(dir.path().join("code")),
        ..options()
    };
    let (wasm, other) = (component(3, 2, 2), component(4, 2, 2));
    let first = compiler(kept());
    first.compile(wasm.clone()).await.expect("machine code");
    first.compile(wasm.clone()).await.expect("machine code");
    assert_eq!((first.stats().compiled, first.stats().cache_hits), (1, 1));

    let second = compiler(kept());
    second.compile(wasm.clone()).await.expect("machine code");
    second.compile(other).await.expect("machine code");
    assert_eq!(
        (second.stats().compiled, second.stats().cache_hits),
        (1, 1),
        "after a restart"
    );
}

#[tokio::test]
async fn machine_code_that_was_tampered_with_is_compiled_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let kept = || CompileOptions {
        cache_dir: Some(dir.path().into()),
        ..options()
    };
    let wasm = component(3, 2, 2);
    compiler(kept())
        .compile(wasm.clone())
        .await
        .expect("machine code");
    let file = || {
        let mut files = std::fs::read_dir(dir.path()).expect("the directory");
        let code = |path: &Path| {
            path.extension()
                .is_some_and(|extension| extension == "cwasm")
        };
        files.find_map(|entry| {
            entry
                .ok()
                .map(|entry| entry.path())
                .filter(|path| code(path))
        })
    };
    let path = file().expect("one file");
    let good = std::fs::read(&path).expect("the file");
    let mut altered = good.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 0x10;
    for bad in [
        altered,
        good[..good.len() / 2].to_vec(),
        b"\x7fELF".to_vec(),
        vec![],
    ] {
        std::fs::write(&path, bad).expect("to write");
        let compiler = compiler(kept());
        compiler
            .compile(wasm.clone())
            .await
            .expect("machine code, compiled anew");
        let stats = compiler.stats();
        assert_eq!(
            (stats.compiled, stats.cache_hits, stats.cache_damaged),
            (1, 0, 1)
        );
        assert_eq!(
            std::fs::read(file().expect("one file")).expect("the file"),
            good,
            "is whole again"
        );
    }
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_costs_only_the_next_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let cache = dir.path().join("code");
    let compiler = compiler(CompileOptions {
        cache_dir: Some(cache.clone()),
        ..options()
    });
    std::fs::remove_dir_all(&cache).expect("to take the directory away");
    compiler
        .compile(component(3, 2, 2))
        .await
        .expect("machine code from memory");
    assert_eq!(compiler.stats().cache_write_failures, 1);
}

#[tokio::test]
async fn a_bomb_ends_the_child_and_not_the_node() {
    // Each passes the check: no function, nesting or size is beyond its bound.
    let wide = component(60, 2000, 1500);
    let limited = compiler(CompileOptions {
        cpu_seconds_max: 1,
        ..options()
    });
    let ended = limited
        .compile(wide.clone())
        .await
        .expect_err("too much time");
    assert!(matches!(ended, CompileError::Cpu(1)), "{ended}");
    assert_eq!(
        ended.to_string(),
        "compiling takes more than 1 s of processor time"
    );

    let limited = compiler(CompileOptions {
        wall_max: Duration::from_millis(300),
        ..options()
    });
    let ended = limited.compile(wide).await.expect_err("too much time");
    assert!(matches!(ended, CompileError::Wall(_)), "{ended}");
    assert_eq!(limited.stats().failed, 1);

    let limited = compiler(CompileOptions {
        address_space_bytes_max: 24 << 20,
        ..options()
    });
    let ended = limited
        .compile(component(90_000, 1, 1))
        .await
        .expect_err("too much memory");
    assert!(matches!(ended, CompileError::Memory(_)), "{ended}");
    assert_eq!(
        ended.to_string(),
        "compiling takes more than 24 MiB of memory"
    );

    let limited = compiler(CompileOptions {
        code_bytes_max: 100,
        ..options()
    });
    let ended = limited
        .compile(component(3, 2, 2))
        .await
        .expect_err("too much code");
    assert_eq!(
        ended.to_string(),
        "the machine code has more than 100 bytes"
    );

    assert_eq!(compilers(), [] as [i32; 0], "no child is left");
    compiler(options())
        .compile(component(3, 2, 2))
        .await
        .expect("the next one is served");
}

#[tokio::test]
async fn a_compilation_that_nobody_waits_for_is_killed() {
    let compiler = compiler(options());
    let wasm = component(60, 2000, 1500);
    let task = tokio::spawn({
        let compiler = compiler.clone();
        async move { compiler.compile(wasm).await.map(drop) }
    });
    wait_until(|| !compilers().is_empty()).await;
    task.abort();
    wait_until(|| compilers().is_empty()).await;
    compiler
        .compile(component(3, 2, 2))
        .await
        .expect("its place is free again");
    assert_eq!(compiler.stats().waiting, 0);
}

#[tokio::test]
async fn what_does_not_compile_is_refused_with_the_reason() {
    let compiler = compiler(options());
    let refused = compiler.compile(Bytes::from_static(b"nonsense")).await;
    let refused = refused.expect_err("no component");
    assert!(matches!(refused, CompileError::Refused(_)), "{refused}");
    for (program, expected) in [
        ("/bin/true", "is not a compiler"),
        ("/bin/cat", "is not a compiler"),
        ("/bin/false", "the compiler died (exit status: 1)"),
        ("/nowhere", "No such file"),
    ] {
        let options = CompileOptions {
            program: program.into(),
            ..options()
        };
        let compiler = Compiler::new(engine(), options).expect("a compiler");
        let refused = compiler
            .compile(component(3, 2, 2))
            .await
            .expect_err("no compiler");
        let refused = refused.to_string();
        // cat does not know the option, and says so.
        let fits =
            refused.contains(expected) || (program == "/bin/cat" && refused.contains("died"));
        assert!(fits, "{program}: {refused}");
    }
}

/// An operator pushes a filter while every core is busy with viewers, and gets it.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_node_compiles_soon() {
    let wasm = component(30, 300, 300);
    let alone = Instant::now();
    let quiet = compiler(options());
    quiet.compile(wasm.clone()).await.expect("machine code");
    let alone = alone.elapsed();

    let cores = std::thread::available_parallelism().expect("cores").get();
    let done = AtomicBool::new(false);
    let busy = compiler(CompileOptions {
        // Two others want each core.
        wall_max: alone * 30,
        ..options()
    });
    let spin = || {
        while !done.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    };
    let compiled = std::thread::scope(|scope| {
        for _ in 0..2 * cores {
            scope.spawn(spin);
        }
        let compiled = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(busy.compile(wasm))
        });
        done.store(true, Ordering::Relaxed);
        compiled
    });
    if let Err(error) = compiled {
        panic!("{error}; alone it took {alone:?}");
    }
}

/// What takes long gives way to viewers.
#[tokio::test]
async fn a_long_compilation_gives_way() {
    let task = tokio::spawn(async {
        // Many seconds' work, on a fast machine too.
        let wasm = component(240, 2000, 1500);
        compiler(options()).compile(wasm).await.map(drop)
    });
    wait_until(|| !compilers().is_empty()).await;
    assert_eq!(compilers(), [0], "an equal at first");
    wait_until(|| compilers() == [3]).await;
    task.abort();
    wait_until(|| compilers().is_empty()).await;
}

/// Niceness of each child of this process that is a compiler.
fn compilers() -> Vec<i32> {
    let me = std::process::id().to_string();
    let entries = std::fs::read_dir("/proc").expect("/proc");
    let ours = |path: &Path| {
        let stat = std::fs::read_to_string(path.join("stat")).ok()?;
        // pid (name) state parent ...; niceness is the 19th field, the 17th after the name.
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let line = std::fs::read_to_string(path.join("cmdline")).ok()?;
        let is_ours = fields.get(1) == Some(&me.as_str()) && line.contains("compile-filter");
        is_ours.then(|| fields[16].parse().expect("a number"))
    };
    entries
        .flatten()
        .filter_map(|entry| ours(&entry.path()))
        .collect()
}

async fn wait_until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .expect("within 30 s");
}
