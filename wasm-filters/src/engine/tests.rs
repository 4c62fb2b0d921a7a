use super::*;

#[test]
fn memory_models_have_names() {
    for model in [MemoryModel::Reserved, MemoryModel::Compact] {
        assert_eq!(model.as_str().parse(), Ok(model));
    }
    assert!("other".parse::<MemoryModel>().is_err());
}

#[test]
fn kept_instances_take_at_most_half() {
    let options = EngineOptions {
        instances_max: 3,
        pool: false,
        ..EngineOptions::default()
    };
    let engine = FilterEngine::new(&options).unwrap();
    assert!(engine.reserve_kept());
    assert!(engine.reserve_kept());
    assert!(!engine.reserve_kept());
    engine.release_kept();
    assert!(engine.reserve_kept());
}

#[test]
fn what_the_child_compiles_is_what_the_engine_loads() {
    let mut module = wasm_encoder::Component::new();
    module.section(&wasm_encoder::ModuleSection(&wasm_encoder::Module::new()));
    let wasm = module.finish();
    for pool in [true, false] {
        let engine = FilterEngine::new(&EngineOptions {
            pool,
            ..EngineOptions::default()
        })
        .unwrap();
        let child = Engine::new(&codegen_config(engine.memory_model())).unwrap();
        assert_eq!(
            engine.engine().precompile_compatibility_hash_value(),
            child.precompile_compatibility_hash_value(),
        );
        let code = child.precompile_component(&wasm).unwrap();
        assert!(Engine::detect_precompiled(&code).is_some());
    }
}

#[test]
fn threads_and_64_bit_memories_are_off() {
    let features = wasm_features();
    for off in [
        WasmFeatures::THREADS,
        WasmFeatures::MEMORY64,
        WasmFeatures::GC,
        WasmFeatures::EXCEPTIONS,
        WasmFeatures::RELAXED_SIMD,
        WasmFeatures::STACK_SWITCHING,
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        WasmFeatures::CM_ASYNC,
    ] {
        assert!(!features.contains(off), "{off:?}");
    }
}

/// Compatibility as one number, to compare two engines by.
trait CompatibilityHash {
    fn precompile_compatibility_hash_value(&self) -> u64;
}

impl CompatibilityHash for Engine {
    fn precompile_compatibility_hash_value(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }
}
