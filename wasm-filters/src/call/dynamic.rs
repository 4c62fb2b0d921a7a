//! Calls whose types are known at run time only: samples, and tools.

use wasmtime::component::{ComponentExportIndex, Val};

use super::run::Call;
use super::{CallContext, CallError};
use crate::contract::types::{Context, FilterError};
use crate::version::{Exports, Instance, LoadedVersion, find};

struct Dynamic<'a> {
    function: ComponentExportIndex,
    args: &'a [Val],
}

impl Call for Dynamic<'_> {
    type Answer = Vec<Val>;

    async fn invoke(
        &self,
        _: &Exports,
        instance: &mut Instance,
        _: &Context,
    ) -> wasmtime::Result<Result<Vec<Val>, FilterError>> {
        let handle = instance.handle()?;
        let store = &mut instance.store;
        let function = handle
            .get_func(&mut *store, self.function)
            .ok_or_else(|| wasmtime::Error::msg("the export is no function"))?;
        let count = function.ty(&*store).results().len();
        let mut results = vec![Val::Bool(false); count];
        function.call_async(store, self.args, &mut results).await?;
        Ok(Ok(results))
    }
}

impl LoadedVersion {
    /// Calls a function of the contract by name, as samples do: `("auth", "authorize", [context, request])`.
    ///
    /// The arguments include the contract's `context`, of which `ctx` gives the clock, the tenant and the deadline that
    /// hold. A `filter-error` is among the results, not an error here.
    ///
    /// # Errors
    /// [`CallError::NoFunction`] when the component has none of the name; [`TrapKind::Other`](super::TrapKind::Other)
    /// when the arguments are of other types; any other end of a call.
    pub async fn call_dynamic(
        &self,
        ctx: &CallContext,
        interface: &str,
        function: &str,
        args: &[Val],
    ) -> Result<Vec<Val>, CallError> {
        let index = find(self.pre.component(), interface, function).ok_or_else(|| {
            CallError::NoFunction {
                interface: interface.to_owned(),
                function: function.to_owned(),
            }
        })?;
        self.run(
            ctx,
            Dynamic {
                function: index,
                args,
            },
        )
        .await
    }
}
